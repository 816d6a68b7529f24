"""Training itself: transformers, peft and trl, on the processor or on one GPU.

Only the child of an attempt imports this. The same seed, data, versions and machine give the same
losses, also when an attempt goes on from a checkpoint: the order of the rows, the random numbers,
the optimizer and the schedule are restored. `is_deterministic` takes one thread, so that the number
of cores does not matter either.
"""

import asyncio
import math
from pathlib import Path
from typing import Any, Final

import msgspec
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PrinterCallback,
    set_seed,
)
from transformers.utils import logging
from trl import SFTConfig, SFTTrainer

from outlast.inference.local_model import is_causal
from outlast.kinds.tuning import kept
from outlast.kinds.tuning.following import Follower
from outlast.kinds.tuning.plan import (
    TUNED,
    CheckpointResult,
    FineTuningPlan,
    FineTuningResult,
)
from outlast.kinds.tuning.rows import TRAINING, VALIDATION
from outlast.kinds.tuning.tokens import LossOn, RowTokenizer, Tokens
from outlast.operations.errors import Fatal
from outlast.operations.kind import Context, Finish
from outlast.resources.models import name_model

_CONTEXT_TOKENS_MAX: Final = 8192
_MICRO_BATCH_MAX: Final = 8
_SAFELY: Final[dict[str, Any]] = {"local_files_only": True, "trust_remote_code": False}


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where the model is that is tuned: a folder, and an adapter over it if it was tuned before."""

    folder: Path
    adapter: Path | None

    @property
    def tokenizer(self) -> Path:
        """Where its tokenizer is."""
        own = self.adapter
        return self.folder if own is None or not (own / "tokenizer_config.json").exists() else own


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """What is learnt, and what the model is held against."""

    train: Tokens
    validation: Tokens | None
    loss_on: LossOn


def train(plan: FineTuningPlan, context: Context) -> Finish:
    """Check the rows, train, and name what shall be published. Raises Fatal, CancelledError."""
    _settle_in(plan)
    origin = _place(plan, context)
    config, tokenizer = _open(plan, origin)
    rows = _read_rows(plan, config, tokenizer, context)
    state, resumed = _resumed(rows, context)
    steps = math.ceil(rows.train.rows / plan.hyperparameters.batch_size)
    follower = Follower(
        plan,
        context,
        state,
        epoch_steps=steps,
        rows_digest=rows.train.digest,
        validates=rows.validation is not None,
    )
    trainer = SFTTrainer(
        model=_load(plan, origin),
        args=_arguments(plan, context.workdir / "training", steps),
        train_dataset=rows.train.dataset,
        eval_dataset=None if rows.validation is None else rows.validation.dataset,
        processing_class=tokenizer,
        callbacks=[follower],
    )
    trainer.remove_callback(PrinterCallback)
    try:
        # One that has nothing left to do, since it died after its last checkpoint, would go on.
        if state is None or state.step < trainer.args.max_steps:
            trainer.train(None if resumed is None else str(resumed))
    except torch.OutOfMemoryError as error:
        # As the platform knows it: what a GPU lacks is memory too.
        raise MemoryError from error
    if follower.is_stopped or follower.state is None:
        raise asyncio.CancelledError
    return _finish(plan, context, rows, follower.state, str(trainer.args.device))


def _settle_in(plan: FineTuningPlan) -> None:
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    if plan.is_deterministic:
        torch.set_num_threads(1)
    set_seed(plan.seed)


def _place(plan: FineTuningPlan, context: Context) -> Origin:
    folder = Path(plan.folder)
    if not plan.tuned:
        return Origin(folder=folder, adapter=None)
    tuned = kept.place_tuned(plan.tuned, TUNED, context.workdir)
    if (tuned / "adapter_config.json").exists():
        return Origin(folder=folder, adapter=tuned)
    return Origin(folder=tuned, adapter=None)


def _open(plan: FineTuningPlan, origin: Origin) -> tuple[Any, Any]:
    """The model's configuration and its tokenizer. Raises Fatal."""
    try:
        config = AutoConfig.from_pretrained(origin.folder, **_SAFELY)
        tokenizer = AutoTokenizer.from_pretrained(origin.tokenizer, **_SAFELY)
    except (OSError, ValueError) as error:
        told = str(error).replace(plan.folder, "FOLDER")
        raise Fatal("model_unusable", f"model {plan.base!r} cannot be read: {told}") from error
    if not is_causal(config):
        raise Fatal(
            "model_unusable", f"{plan.base!r} does not go on with texts: it cannot learn to"
        )
    return config, tokenizer


def _read_rows(plan: FineTuningPlan, config: Any, tokenizer: Any, context: Context) -> Rows:
    room = getattr(config.get_text_config(), "max_position_embeddings", None) or _CONTEXT_TOKENS_MAX
    tokens = min(plan.hyperparameters.context_tokens or _CONTEXT_TOKENS_MAX, room)
    maker = RowTokenizer(tokenizer, tokens)
    train = maker.tokenize(plan.train, TRAINING, context)
    validation = None
    if plan.validation is not None:
        validation = maker.tokenize(plan.validation, VALIDATION, context)
    if maker.loss_on == "all":
        context.log("the chat template does not mark the assistant's part: all tokens are learnt")
    if train.cut:
        context.log(f"{train.cut} of {train.rows} training rows were cut to {tokens} tokens")
    return Rows(train=train, validation=validation, loss_on=maker.loss_on)


def _resumed(rows: Rows, context: Context) -> tuple[kept.TuningState | None, Path | None]:
    """What an earlier attempt saved, and a folder with it; neither if it does not fit any more."""
    state = kept.read_state(context.last_checkpoint)
    if state is None:
        return None, None
    if state.rows_digest != rows.train.digest:
        context.log("the rows are not those of the last checkpoint: training begins anew")
        return None, None
    folder = kept.fetch_checkpoint(state, context)
    if folder is None:
        context.log("files of the last checkpoint are gone: training begins anew")
        return None, None
    return state, folder


def _load(plan: FineTuningPlan, origin: Origin) -> Any:
    dtype = torch.bfloat16 if _has_bf16() and plan.method == "lora" else torch.float32
    model = AutoModelForCausalLM.from_pretrained(
        origin.folder, use_safetensors=True, dtype=dtype, **_SAFELY
    )
    wanted = plan.hyperparameters
    if origin.adapter is not None:
        is_adapter = plan.method == "lora"
        model = PeftModel.from_pretrained(model, origin.adapter, is_trainable=is_adapter)
        return model if is_adapter else model.merge_and_unload()
    if plan.method == "full":
        return model
    targets = "all-linear" if wanted.lora_targets is None else list(wanted.lora_targets)
    adapter = LoraConfig(
        r=wanted.lora_rank,
        lora_alpha=wanted.lora_alpha,
        lora_dropout=wanted.lora_dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )
    try:
        return get_peft_model(model, adapter)
    except ValueError as error:
        raise Fatal("invalid_lora_targets", str(error)) from error


def _arguments(plan: FineTuningPlan, folder: Path, epoch_steps: int) -> SFTConfig:
    wanted = plan.hyperparameters
    steps = epoch_steps * wanted.epochs
    micro = max(size for size in range(1, _MICRO_BATCH_MAX + 1) if wanted.batch_size % size == 0)
    has_gpu = torch.cuda.is_available()
    return SFTConfig(
        output_dir=str(folder),
        max_steps=min(steps, wanted.steps_max or steps),
        per_device_train_batch_size=micro,
        per_device_eval_batch_size=micro,
        gradient_accumulation_steps=wanted.batch_size // micro,
        learning_rate=wanted.learning_rate_for(plan.method),
        lr_scheduler_type=wanted.schedule,
        warmup_steps=wanted.warmup_ratio,
        weight_decay=wanted.weight_decay,
        max_grad_norm=wanted.gradient_norm_max,
        seed=plan.seed,
        full_determinism=plan.is_deterministic,
        use_cpu=not has_gpu,
        bf16=_has_bf16(),
        gradient_checkpointing=has_gpu,
        dataloader_pin_memory=has_gpu,
        # The follower says when to log, to validate and to save.
        logging_steps=1,
        logging_nan_inf_filter=False,
        eval_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        # The rows are tokens already, and cut.
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
    )


def _has_bf16() -> bool:
    return bool(torch.cuda.is_available() and torch.cuda.is_bf16_supported())


def _finish(
    plan: FineTuningPlan, context: Context, rows: Rows, state: kept.TuningState, device: str
) -> Finish:
    last = state.kept[-1]
    own = (plan.base, plan.suffix, context.operation_id)
    checkpoints = tuple(
        CheckpointResult(
            model=name_model(*own, None if one is last else one.step),
            step=one.step,
            metrics=one.metrics,
        )
        for one in state.kept
    )
    result = FineTuningResult(
        model=name_model(*own),
        base=plan.base,
        method=plan.method,
        steps=last.step,
        rows=rows.train.rows,
        trained_tokens=state.trained_tokens,
        train_loss=last.metrics["train_loss"],
        validation_loss=last.metrics.get("validation_loss"),
        loss_on=rows.loss_on,
        device=device,
        checkpoints=checkpoints,
    )
    return Finish(result=result, writes=kept.publications(state, is_final=True))
