"""From rows to tokens: a file of token ids and labels, which training reads without holding it."""

import hashlib
import re
from collections.abc import Sequence
from typing import Any, Final, Literal, assert_never

import msgspec
import pyarrow as pa
from datasets import Dataset
from jinja2 import TemplateError
from trl.chat_template_utils import get_training_chat_template

from outlast.kinds.tuning.plan import RowFiles
from outlast.kinds.tuning.rows import (
    Conversation,
    Instruction,
    PlainText,
    Row,
    RowCheck,
    RowProblem,
    read_rows,
)
from outlast.operations.errors import Fatal
from outlast.operations.kind import Context

_NOT_LEARNT: Final = -100
_BATCH: Final = 256
_MARKERS: Final = re.compile(r"\{%-?\s*generation\b")
_SCHEMA: Final = pa.schema([("input_ids", pa.list_(pa.int32())), ("labels", pa.list_(pa.int32()))])

LossOn = Literal["assistant", "all"]


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """Rows as training reads them. `cut` were longer than the context; `digest` is of them all."""

    dataset: Any
    rows: int
    cut: int
    digest: str


class RowTokenizer:
    """Makes rows tokens, as one model's tokenizer and chat template have it.

    `loss_on` says what is learnt of conversations: what the assistant says, where the template
    tells it apart, or a version of it does that the training library knows.
    """

    def __init__(self, tokenizer: Any, context_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._context_tokens = context_tokens
        self._template = _marked_template(tokenizer)
        self.loss_on: LossOn = "assistant" if self._template else "all"

    def tokenize(self, source: RowFiles, name: str, context: Context) -> Tokens:
        """All rows of a source. Raises Fatal, naming the first that are invalid; CancelledError."""
        check = RowCheck(name)
        path = context.workdir / f"{name}.arrow"
        rows = cut = 0
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, _SCHEMA) as writer:
            batch: list[dict[str, list[int]]] = []
            for row in read_rows(source, context, check):
                try:
                    tokens, labels = self.read(row)
                except RowProblem as problem:
                    check.note(problem)
                    continue
                end = self._context_tokens
                cut += len(tokens) > end
                # Nothing is learnt from a row whose answer was cut off.
                if any(label != _NOT_LEARNT for label in labels[:end]):
                    batch.append({"input_ids": tokens[:end], "labels": labels[:end]})
                    rows += 1
                if len(batch) == _BATCH:
                    writer.write_batch(pa.RecordBatch.from_pylist(batch, schema=_SCHEMA))
                    batch = []
            writer.write_batch(pa.RecordBatch.from_pylist(batch, schema=_SCHEMA))
        check.close()
        if rows == 0:
            raise Fatal(
                "invalid_rows",
                f"every {name} row is cut before its answer: the context has {end} tokens",
            )
        with path.open("rb") as written:
            digest = hashlib.file_digest(written, "sha256").hexdigest()
        return Tokens(dataset=Dataset.from_file(str(path)), rows=rows, cut=cut, digest=digest)

    def read(self, row: Row) -> tuple[list[int], list[int]]:
        """The tokens of a row, and its labels: what is learnt. Raises RowProblem, Fatal."""
        match row:
            case Conversation():
                return self._conversation(row)
            case Instruction(prompt=prompt, completion=completion):
                asked = self._plain(prompt)
                answer = [*self._plain(completion, is_start=False), *self._end()]
                return asked + answer, [_NOT_LEARNT] * len(asked) + answer
            case PlainText(text=text):
                tokens = [*self._plain(text), *self._end()]
                return tokens, tokens
            case _:
                assert_never(row)

    def _conversation(self, row: Conversation) -> tuple[list[int], list[int]]:
        if not self._tokenizer.chat_template:
            raise Fatal("no_chat_template", "the model has no chat template: it learns no messages")
        try:
            encoded = self._tokenizer.apply_chat_template(
                [message.plain() for message in row.messages],
                tools=row.tools,
                chat_template=self._template,
                return_dict=True,
                return_assistant_tokens_mask=self._template is not None,
            )
        except (TemplateError, TypeError, ValueError, KeyError) as error:
            raise RowProblem(f"the model's chat template refuses it: {error}") from error
        tokens = list(encoded["input_ids"])
        if self._template is None:
            return tokens, tokens
        learnt = encoded["assistant_masks"]
        labels = [
            token if is_learnt else _NOT_LEARNT
            for token, is_learnt in zip(tokens, learnt, strict=True)
        ]
        return tokens, labels

    def _plain(self, text: str, *, is_start: bool = True) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=is_start)["input_ids"])

    def _end(self) -> Sequence[int]:
        end = self._tokenizer.eos_token_id
        return () if end is None else (end,)


def _marked_template(tokenizer: Any) -> str | None:
    """The model's chat template with marks around what the assistant says, if there is one."""
    template = tokenizer.chat_template
    if not isinstance(template, str):
        return None
    if _MARKERS.search(template):
        return template
    try:
        marked: str | None = get_training_chat_template(tokenizer)
    except ValueError:
        # It knows the templates of the common families only.
        return None
    return marked
