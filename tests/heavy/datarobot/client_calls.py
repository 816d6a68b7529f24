"""Runs in an environment of its own, with the official client: does what it is told, by line.

A line asks {"call": the name of a function below, "with": {...}}. The answer is {"result"} or
{"error", "says"}. Nothing of the client is changed but how long its waiters sleep.
"""

import json
import os
import sys
import time
import warnings

warnings.simplefilter("ignore")

import datarobot as dr  # noqa: E402  after the warnings are off
from datarobot.models.genai.chat import Chat  # noqa: E402
from datarobot.models.genai.chat_prompt import ChatPrompt  # noqa: E402
from datarobot.models.genai.evaluation_dataset_configuration import (  # noqa: E402
    EvaluationDatasetConfiguration,
)
from datarobot.models.genai.evaluation_dataset_metric_aggregation import (  # noqa: E402
    EvaluationDatasetMetricAggregation,
)
from datarobot.models.genai.jobstatus import JobStatus  # noqa: E402
from datarobot.models.genai.llm import LLMDefinition  # noqa: E402
from datarobot.models.genai.llm_blueprint import (  # noqa: E402
    LLMBlueprint,
    VectorDatabaseSettings,
)
from datarobot.models.genai.metric_insights import MetricInsights  # noqa: E402
from datarobot.models.genai.openai_embedding_model_validation import (  # noqa: E402
    OpenAIEmbeddingModelValidation,
)
from datarobot.models.genai.playground import Playground  # noqa: E402
from datarobot.models.genai.vector_database import (  # noqa: E402
    ChunkingParameters,
    VectorDatabase,
)
from datarobot.models.status_check_job import StatusCheckJob  # noqa: E402
from datarobot.utils import waiters  # noqa: E402

PAUSE_SECONDS = 0.1
TRIES_MAX = 300
ENDED = {"COMPLETED", "ERROR"}


def connect(endpoint, token, token_type):
    """What the client does first: it asks for the version."""
    dr.Client(token=token, endpoint=endpoint, token_type=token_type)
    return [one.id for one in dr.UseCase.list()]


def use_case(name):
    return dr.UseCase.create(name=name, description="for a test").id


def dataset(use_case, path):
    made = dr.Dataset.create_from_file(path, use_cases=use_case)
    listed = [one.id for one in dr.Dataset.list(use_cases=use_case)]
    return {"id": made.id, "state": made.processing_state, "rows": made.row_count, "listed": listed}


def rows(use_case, rows, name):
    return dr.Dataset.create_from_in_memory_data(records=rows, fname=name, use_cases=use_case).id


def download(dataset, path):
    dr.Dataset.get(dataset).get_file(file_path=path)


def vector_database(dataset, use_case, **fields):
    cut = ChunkingParameters(
        embedding_model=fields.pop("model", None),
        embedding_validation=fields.pop("validation", None),
        chunking_method="recursive",
        chunk_size=128,
        chunk_overlap_percentage=10,
        separators=["\n\n", "\n", " ", ""],
    )
    made = VectorDatabase.create(dataset, cut, use_case=use_case, **fields)
    for _ in range(TRIES_MAX):
        if made.execution_status in ENDED:
            break
        pause()
        made = VectorDatabase.get(made.id)
    return vars(made)


def vector_databases(use_case, **fields):
    return [one.name for one in VectorDatabase.list(use_case=use_case, **fields)]


def rename_vector_database(id, name):
    return VectorDatabase.get(id).update(name=name).name


def delete_vector_database(id):
    VectorDatabase.get(id).delete()


def support():
    embeddings = VectorDatabase.get_supported_embeddings()
    [config] = VectorDatabase.get_supported_text_chunkings().text_chunking_configs
    settings = VectorDatabase.get_supported_retrieval_settings().settings
    return {
        "default": embeddings.default_embedding_model,
        "validated": [one.id for one in embeddings.openai_embedding_validations],
        "methods": [one.chunking_method for one in config.methods],
        "settings": [one.name for one in settings],
    }


def export(id):
    job = VectorDatabase.get(id).submit_export_dataset_job()
    status = followed(job.job_id)
    checked = StatusCheckJob.from_id(job.job_id).get_status().status
    return {"dataset": job.export_dataset_id, "status": status.status, "checked": checked}


def validation(use_case, name, model, base_url, key):
    kept = dr.Credential.create_basic(f"key of {name}", "nobody", key)
    made = OpenAIEmbeddingModelValidation.create(
        name, model, base_url, use_case, kept.credential_id, wait_for_completion=True
    )
    listed = [one.id for one in OpenAIEmbeddingModelValidation.list(use_cases=use_case)]
    return vars(made) | {"listed": listed}


def delete_validation(id):
    made = OpenAIEmbeddingModelValidation.get(id)
    dr.Credential.get(made.credential_id).delete()
    made.delete()


def chat(use_case, database, llm, question):
    playground = Playground.create("zoo", use_case=use_case)
    blueprint = LLMBlueprint.create(
        playground,
        "zoo",
        llm=llm,
        vector_database=database,
        vector_database_settings=VectorDatabaseSettings(max_documents_retrieved_per_prompt=2),
    )
    talk = Chat.create("talk", blueprint)
    prompt = ChatPrompt.create(question, chat=talk, wait_for_completion=True)
    return {
        "llms": [one["id"] for one in LLMDefinition.list()],
        "status": prompt.execution_status,
        "text": prompt.result_text,
        "cited": [one.source for one in prompt.citations],
        "prompts": [one.id for one in ChatPrompt.list(chat=talk)],
        "prompt": prompt.id,
        "playground": playground.id,
        "blueprint": blueprint.id,
    }


def evaluate(use_case, playground, blueprint, questions):
    asked = EvaluationDatasetConfiguration.create(
        "questions", use_case, questions, "question", playground, response_column_name="answer"
    )
    insights = MetricInsights.list(playground)
    job = EvaluationDatasetMetricAggregation.create("measured", [blueprint], asked.id, insights)
    status = followed(job)
    found = EvaluationDatasetMetricAggregation.list(llm_blueprint_ids=[blueprint])
    return {
        "status": status.status,
        "measured": {one.metric_name: one.aggregation_value for one in found},
    }


def nothing_left(use_case, playground):
    Playground.get(playground).delete()
    dr.UseCase.delete(use_case)
    return [one.id for one in Playground.list() + LLMBlueprint.list() + Chat.list()]


def status(id):
    return vars(JobStatus.get(id))


def get_vector_database(id):
    return VectorDatabase.get(id).name


def followed(job):
    """The status of a job that leaves no resource, at its end."""
    for _ in range(TRIES_MAX):
        found = JobStatus.get(job)
        if found.status in ENDED:
            break
        pause()
    return found


def pause():
    real_sleep(PAUSE_SECONDS)


def answer(asked):
    try:
        return {"result": globals()[asked["call"]](**asked["with"])}
    except dr.errors.ServerError as error:
        return {"error": type(error).__name__, "status": error.status_code, "says": str(error)}
    except Exception as error:  # noqa: BLE001  whatever the client raises is told
        return {"error": type(error).__name__, "status": None, "says": str(error)}


real_sleep = time.sleep
waiters.time.sleep = lambda _: pause()
told = os.fdopen(os.dup(1), "w")
sys.stdout = sys.stderr
print(json.dumps({"version": dr.__version__}), file=told, flush=True)
for line in sys.stdin:
    print(json.dumps(answer(json.loads(line)), default=str), file=told, flush=True)
