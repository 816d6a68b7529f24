"""A model folder in memory: chat, generation token by token, embeddings. Needs the extra.

Only safetensors and JSON are read. No code of the folder is run: a model whose architecture
transformers does not know cannot be served.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import torch
from jinja2 import TemplateError
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoTokenizer
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

_CONTEXT_DEFAULT: Final = 2048
_EMBEDDED_AT_ONCE: Final = 16


class CannotServe(Exception):
    """The model cannot do this; the message says why, for whoever asked."""


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    """How tokens are chosen. Temperature 0 takes the likeliest; then the seed does not matter."""

    tokens_max: int
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """Some more text of an answer. The last piece has a `finish`: stop or length."""

    text: str
    tokens: int
    finish: str | None = None


class LocalModel:
    """A loaded model with its tokenizer. Not for several threads at once."""

    def __init__(self, folder: Path, adapter: Path | None = None) -> None:
        """Load a folder, and a LoRA adapter over it. Raises OSError or ValueError."""
        safely: Mapping[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        config = AutoConfig.from_pretrained(folder, **safely)
        self.can_chat = is_causal(config)
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        # An adapter's folder has the tokenizer that it was trained with.
        has_own = adapter is not None and (adapter / "tokenizer_config.json").exists()
        self.tokenizer = AutoTokenizer.from_pretrained(adapter if has_own else folder, **safely)
        loader = AutoModelForCausalLM if self.can_chat else AutoModel
        model = loader.from_pretrained(folder, use_safetensors=True, dtype="auto", **safely)
        if adapter is not None:
            model = _with_adapter(model, adapter)
        self.model = model.to(self.device).eval()
        self._end_tokens = _end_tokens(self.model, self.tokenizer) if self.can_chat else frozenset()
        self.context_tokens = int(
            getattr(config.get_text_config(), "max_position_embeddings", None) or _CONTEXT_DEFAULT
        )

    def render(self, messages: Sequence[Mapping[str, Any]]) -> list[int]:
        """The tokens of a conversation that waits for its answer. Raises CannotServe."""
        if not self.can_chat:
            raise CannotServe("this is an embedding model: it cannot chat")
        if not self.tokenizer.chat_template:
            raise CannotServe("this model has no chat template")
        try:
            encoded = self.tokenizer.apply_chat_template(
                list(messages), add_generation_prompt=True, return_dict=True
            )
        except (TemplateError, TypeError, ValueError, KeyError) as error:
            raise CannotServe(f"the model's chat template refuses the messages: {error}") from error
        return list(encoded["input_ids"])

    def generate(self, prompt: Sequence[int], sampling: Sampling) -> Iterator[Piece]:
        """The answer to a prompt, piece by piece. Raises CannotServe for one that is too long."""
        room = self.context_tokens - len(prompt)
        if room < 1:
            has = f"the prompt has {len(prompt)} tokens"
            raise CannotServe(f"{has}, and the model's context {self.context_tokens}")
        text = _Text(self.tokenizer, sampling.stop)
        for count, token in enumerate(self._tokens(prompt, sampling), start=1):
            if token in self._end_tokens:
                yield Piece(text=text.rest(), tokens=count, finish="stop")
                return
            piece = text.add(token)
            if text.is_stopped:
                yield Piece(text=piece, tokens=count, finish="stop")
                return
            if count == min(room, sampling.tokens_max):
                yield Piece(text=piece + text.rest(), tokens=count, finish="length")
                return
            # Empty ones too: whoever waits may want to leave.
            yield Piece(text=piece, tokens=count)

    def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], int]:
        """One vector of length 1 per text, and how many tokens were read. Raises CannotServe."""
        if self.can_chat:
            raise CannotServe("this is a chat model: it has no embeddings")
        vectors: list[list[float]] = []
        tokens = 0
        with torch.inference_mode():
            for start in range(0, len(texts), _EMBEDDED_AT_ONCE):
                batch = self.tokenizer(
                    list(texts[start : start + _EMBEDDED_AT_ONCE]),
                    padding=True,
                    truncation=True,
                    max_length=self.context_tokens,
                    return_tensors="pt",
                ).to(self.device)
                hidden = self.model(**batch).last_hidden_state.float()
                mask = batch["attention_mask"].unsqueeze(-1)
                means = (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
                vectors += torch.nn.functional.normalize(means, dim=1).tolist()
                tokens += int(mask.sum())
        return vectors, tokens

    @torch.inference_mode()  # type: ignore[untyped-decorator]  # mypy runs without the extra
    def _tokens(self, prompt: Sequence[int], sampling: Sampling) -> Iterator[int]:
        generator = torch.Generator(device="cpu")
        if sampling.seed is None:
            generator.seed()
        else:
            generator.manual_seed(sampling.seed % 2**63)
        read, past = torch.tensor([list(prompt)], device=self.device), None
        while True:
            out = self.model(input_ids=read, past_key_values=past, use_cache=True)
            token = _choose(out.logits[0, -1].float().cpu(), sampling, generator)
            yield token
            read, past = torch.tensor([[token]], device=self.device), out.past_key_values


def _end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    ends = model.generation_config.eos_token_id
    listed = ends if isinstance(ends, list) else [ends]
    return frozenset(token for token in (*listed, tokenizer.eos_token_id) if token is not None)


def is_causal(config: Any) -> bool:
    """Whether a model goes on with a text, rather than embedding it."""
    causal = set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values())
    return any(name in causal for name in config.architectures or ())


def _with_adapter(model: Any, adapter: Path) -> Any:
    from peft import PeftModel  # noqa: PLC0415  slow, and most models have no adapter

    if not (adapter / "adapter_model.safetensors").exists():
        raise ValueError("the adapter has no adapter_model.safetensors")
    # Merged: as fast as the whole model that it stands for.
    return PeftModel.from_pretrained(model, adapter).merge_and_unload()


def _choose(logits: Any, sampling: Sampling, generator: Any) -> int:
    if sampling.temperature == 0:
        return int(logits.argmax())
    chances = torch.softmax(logits / sampling.temperature, dim=-1)
    ordered, tokens = chances.sort(descending=True, stable=True)
    # The likeliest always stays.
    ordered[1:][ordered.cumsum(0)[:-1] >= sampling.top_p] = 0
    return int(tokens[torch.multinomial(ordered, 1, generator=generator)])


class _Text:
    """Tokens on their way to text: whole characters, and nothing from a stop text on."""

    def __init__(self, tokenizer: Any, stop: tuple[str, ...]) -> None:
        self._tokenizer = tokenizer
        self._stop = stop
        self._kept_back = max((len(text) - 1 for text in stop), default=0)
        self._tokens: list[int] = []
        # A token's text depends on those before it: decoded together with the last few.
        self._begin = self._read = 0
        self._waiting = ""
        self.is_stopped = False

    def add(self, token: int) -> str:
        """The text that is certain now."""
        self._tokens.append(token)
        known, now = self._decode(self._begin, self._read), self._decode(self._begin, None)
        if len(now) > len(known) and not now.endswith("\ufffd"):
            self._begin, self._read = self._read, len(self._tokens)
            self._waiting += now[len(known) :]
        return self._certain()

    def rest(self) -> str:
        """What was still kept back at the end."""
        now = self._decode(self._begin, None)[len(self._decode(self._begin, self._read)) :]
        self._begin = self._read = len(self._tokens)
        self._waiting += now
        text, self._waiting = self._certain() + self._waiting, ""
        return text

    def _certain(self) -> str:
        found = [at for text in self._stop if (at := self._waiting.find(text)) >= 0]
        if found:
            self.is_stopped = True
            text, self._waiting = self._waiting[: min(found)], ""
            return text
        until = max(0, len(self._waiting) - self._kept_back)
        text, self._waiting = self._waiting[:until], self._waiting[until:]
        return text

    def _decode(self, start: int, end: int | None) -> str:
        return str(self._tokenizer.decode(self._tokens[start:end], skip_special_tokens=True))
