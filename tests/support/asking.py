"""How tests ask models below /nebius: with the official client, or without."""

import openai
from model_double import Fault

KEY = "key-of-the-backend"
MODEL = "acme/small"
HELLO = [{"role": "user", "content": "hello"}]
BODY = {"model": MODEL, "messages": HELLO}
CHATS = "/nebius/v1/chat/completions"


def official_client(serving, port, role="submitter"):
    return openai.AsyncOpenAI(
        base_url=f"http://127.0.0.1:{port}/nebius/v1",
        api_key=serving.texts["default", role],
        max_retries=0,
    )


async def ask(official, text="hello", **fields):
    messages = [{"role": "user", "content": text}]
    return await official.chat.completions.create(model=MODEL, messages=messages, **fields)


def fail(**fault):
    """A rule for the double: fail so, whatever is asked."""
    return lambda _: Fault(**fault)
