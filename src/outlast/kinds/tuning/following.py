"""Following a training: its progress, its loss curve, its checkpoints, and the wish to stop."""

import math
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from transformers import TrainerCallback

from outlast.kinds.tuning.kept import TuningState, store_checkpoint
from outlast.kinds.tuning.plan import FineTuningPlan
from outlast.operations.errors import Fatal
from outlast.operations.kind import Context

_EVENTS_MAX: Final = 1000
_SAVE_SECONDS: Final = 600
_TRAINED: Final = {
    "loss": "train_loss",
    "learning_rate": "learning_rate",
    "grad_norm": "gradient_norm",
    "mean_token_accuracy": "train_accuracy",
}
_VALIDATED: Final = {
    "eval_loss": "validation_loss",
    "eval_mean_token_accuracy": "validation_accuracy",
}


class Follower(TrainerCallback):  # type: ignore[misc]  # mypy runs without the extra
    """Tells the context how a training goes, and the training when to save, and when to stop.

    It saves after every epoch, or every so many steps; besides when ten minutes have passed, at the
    end, and before it stops. It validates at the regular times alone, since validation draws random
    numbers: a training that was resumed must draw the same.
    """

    def __init__(
        self,
        plan: FineTuningPlan,
        context: Context,
        state: TuningState | None,
        *,
        epoch_steps: int,
        rows_digest: str,
        validates: bool,
    ) -> None:
        self.state = state
        self.metrics: dict[str, float] = {}
        self.is_stopped = False
        self._plan = plan
        self._context = context
        self._rows_digest = rows_digest
        self._validates = validates
        self._regular_steps = plan.checkpoint_steps or epoch_steps
        self._tokens_before = 0 if state is None else state.trained_tokens
        self._tokens = 0
        self._saved_at = time.monotonic()

    @property
    def trained_tokens(self) -> int:
        """How many tokens were read, in this attempt and those that it goes on from."""
        return self._tokens_before + self._tokens

    def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """See TrainerCallback."""
        _ = args, control, more
        self._report(state)

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """See TrainerCallback."""
        _ = args, more
        is_last = state.global_step >= state.max_steps
        is_regular = state.global_step % self._regular_steps == 0 or is_last
        is_late = time.monotonic() - self._saved_at > _SAVE_SECONDS
        if self._context.cancelled and not is_last:
            self.is_stopped = control.should_training_stop = True
        control.should_evaluate = self._validates and is_regular
        control.should_save = is_regular or is_late or self.is_stopped
        self._report(state)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **more: Any) -> None:
        """See TrainerCallback. Called after every step, and after a validation."""
        _ = args, control, more
        if "loss" in logs:
            if not math.isfinite(logs["loss"]):
                raise Fatal(
                    "loss_diverged",
                    f"the loss at step {state.global_step} is not a number; learn more slowly",
                )
            self._tokens = int(logs.get("num_tokens", 0))
            self._note(logs, _TRAINED)
            every = math.ceil(state.max_steps / _EVENTS_MAX)
            if state.global_step % every == 0 or state.global_step >= state.max_steps:
                self._tell("training_metrics", state, _TRAINED)
        if "eval_loss" in logs:
            self._note(logs, _VALIDATED)
            self._tell("validation_metrics", state, _VALIDATED)

    def on_save(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """See TrainerCallback. Durable on return."""
        _ = control, more
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        self.state = store_checkpoint(
            folder,
            state.global_step,
            self.state,
            self._plan,
            self._context,
            trained_tokens=self.trained_tokens,
            rows_digest=self._rows_digest,
            metrics=self.metrics,
        )
        self._context.checkpoint(self.state)
        self._context.event("checkpoint_saved", {"step": state.global_step})
        shutil.rmtree(folder)
        self._saved_at = time.monotonic()

    def _report(self, state: Any) -> None:
        self._context.report(state.global_step, state.max_steps, unit="steps", stage="training")

    def _note(self, logs: Mapping[str, Any], names: Mapping[str, str]) -> None:
        told = {names[name]: float(logs[name]) for name in names if name in logs}
        others = {name: value for name, value in self.metrics.items() if name not in told}
        # A gradient may be infinite for a step; no document can hold that.
        self.metrics = others | {k: value for k, value in told.items() if math.isfinite(value)}

    def _tell(self, type: str, state: Any, names: Mapping[str, str]) -> None:
        data = {name: self.metrics[name] for name in names.values() if name in self.metrics}
        epoch = round(float(state.epoch or 0), 4)
        self._context.event(type, {"step": state.global_step, "epoch": epoch} | data)
