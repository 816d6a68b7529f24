"""A server of two models, one that embeds and one that answers; and a place to chat with them."""

import model_double
from lake import ANN
from vectors import MODEL, WordEmbedder, keep_rows

from outlast.resources.playgrounds import Playgrounds
from outlast.resources.playgrounds.model import (
    BlueprintDocument,
    Generation,
    PlaygroundDocument,
    Retrieval,
)
from outlast.settings import Backend

PARROT = "parrot"
ANIMALS = [
    {"document": "The owl hunts at night.", "document_file_path": "birds.txt", "page": 7},
    {"document": "A spider spins a web.", "document_file_path": "spiders.txt", "legs": 8},
    {"document": "The cat hunts mice by day.", "document_file_path": "cats.txt", "legs": 4},
]


class TwoModels(WordEmbedder):
    """It embeds, and says again backwards what it was asked last."""

    def __init__(self, **options):
        super().__init__(**options)
        self.models = (MODEL, PARROT)
        embed = self.answer
        self.reply = model_double._good_answer
        self.answer = lambda request: (
            embed(request) if request.path == "/v1/embeddings" else self.reply(request)
        )

    @property
    def asked(self):
        """The bodies of the chats, in the order in which they came."""
        return [one.body for one in self.requests if one.path == "/v1/chat/completions"]

    def backends(self):
        """What a server's settings say of it."""
        return {"double": Backend(url=self.url, models=self.models)}


async def animal_database(lake):
    """The id of a vector database of three animals. A worker must be at work."""
    await keep_rows(lake, "zoo", ANIMALS, ANN)
    built = await lake.result(
        "build_vector_database", name="zoo", dataset="zoo", embedding_model=MODEL
    )
    return built["vector_database"]


async def blueprint(lake, principal=ANN, **fields):
    """A blueprint in a playground of its own."""
    playgrounds = Playgrounds(lake.store)
    made = await playgrounds.playgrounds.create(principal, PlaygroundDocument(name="zoo"))
    document = BlueprintDocument(
        **{
            "playground": made.id,
            "name": "night",
            "llm": PARROT,
            "generation": Generation(system_prompt="Be brief.", max_tokens=50, temperature=0.5),
            "retrieval": Retrieval(chunks=2),
        }
        | fields
    )
    return await playgrounds.create_blueprint(principal, document)
