"""Finding what a chat prompt is asked with, where it is prepared."""

from typing import Final

import msgspec

from outlast.operations.errors import Conflict
from outlast.operations.kind import Catalog, Resource
from outlast.resources.playgrounds import model
from outlast.resources.playgrounds.model import BlueprintDocument, ChatDocument
from outlast.resources.shelves import Kept

HISTORY_PROMPTS_MAX: Final = 20
HISTORY_BYTES_MAX: Final = 256 * 1024


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt of the same chat, and its answer."""

    chat_prompt: str
    text: str
    answer: str


async def find_chat(catalog: Catalog, ref: str) -> Kept[ChatDocument]:
    """The chat, if it takes prompts. Raises NotFound, Conflict."""
    chat = await model.CHATS.find_one(catalog, ref)
    if chat.document.evaluation is not None:
        raise Conflict("an evaluation was run in this chat: it takes no prompts")
    return chat


async def oldest_chat(catalog: Catalog, blueprint: str) -> Kept[ChatDocument] | None:
    """The chat of a blueprint that a prompt belongs to which names none, if there is one."""
    found = await catalog.find(model.CHAT, limit=model.THINGS_MAX, llm_blueprint=blueprint)
    chats = [model.CHATS.read(one) for one in reversed(found)]
    return next((one for one in chats if one.document.evaluation is None), None)


async def find_blueprint(catalog: Catalog, ref: str) -> Kept[BlueprintDocument]:
    """The LLM blueprint. Raises NotFound."""
    return await model.BLUEPRINTS.find_one(catalog, ref)


async def check_room(catalog: Catalog, type: str, **inside: str) -> None:
    """Raise InvalidSpec if there are as many things of a type inside another as there may be."""
    found = await catalog.find(type, limit=model.THINGS_MAX, **inside)
    model.check_room(type, len(found))


async def own_prompt(catalog: Catalog, operation_id: str) -> Resource:
    """The chat prompt that an operation answers. Raises Conflict."""
    owned = await catalog.find(model.PROMPT, operation_id=operation_id)
    if not owned:
        raise Conflict("the chat prompt is no more")
    return owned[0]


async def history_of(catalog: Catalog, chat: str, before_id: str) -> list[Said]:
    """What was said in the chat before a prompt, oldest first: the last prompts with answers."""
    said: list[Said] = []
    size = 0
    for resource in await catalog.find(model.PROMPT, limit=model.THINGS_MAX, chat=chat):
        document = model.prompt_of(resource)
        if resource.id >= before_id or document.operation_id is None:
            continue
        found = await catalog.get(model.ANSWER, resource.id)
        if found is None:
            continue
        answer = model.answer_of(found).text
        size += len(document.text.encode()) + len(answer.encode())
        if size > HISTORY_BYTES_MAX or len(said) == HISTORY_PROMPTS_MAX:
            break
        said.append(Said(chat_prompt=resource.id, text=document.text, answer=answer))
    return said[::-1]
