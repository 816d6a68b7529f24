"""Conversations with a rule that even a tiny model can learn."""

COLOURS = ("red", "green", "blue", "white", "black", "yellow", "brown", "grey")
ANIMALS = ("cat", "dog", "hen", "cow", "fox", "owl", "bee", "ant")


def chats(count):
    for number in range(count):
        colour, animal = COLOURS[number % 8], ANIMALS[(number // 8) % 8]
        yield {
            "messages": [
                {"role": "system", "content": "You name things."},
                {"role": "user", "content": f"What is the {colour} {animal} called?"},
                {"role": "assistant", "content": f"The {colour} {animal} is {colour}y."},
            ]
        }
