"""What a dictation keeps of a speaker: in order, without loss, looked at now and then."""

import asyncio

import numpy as np

from reference_stack.speech.audio import RATE
from reference_stack.speech.backlog import Backlog

#: Two samples a message, which is as small as a client likes.
TINY = 2


def test_pieces_of_any_size_are_one_sound_whatever_was_taken_meanwhile() -> None:
    random = np.random.default_rng(2)
    sound = random.normal(size=5000).astype(np.float32)
    backlog, taken, place = Backlog(), [], 0
    while place < len(sound):
        size = int(random.integers(1, 300))
        backlog.add(sound[place : place + size])
        place += size
        if random.random() < 0.3:
            count = int(random.integers(0, len(backlog) + 1))
            taken.append(backlog.samples[:count])
            backlog.drop(count)
            assert np.isclose(backlog.begins_s, sum(map(len, taken)) / RATE)
    assert len(backlog) == len(backlog.samples)
    assert np.array_equal(np.concatenate([*taken, backlog.samples]), sound)
    assert np.isclose(backlog.received_s, len(sound) / RATE)


def test_a_second_in_tiny_pieces_is_looked_at_ten_times_and_its_end_at_once() -> None:
    async def scenario() -> int:
        backlog, looks = Backlog(), 0

        async def speak() -> None:
            for start in range(0, RATE, TINY):
                backlog.add(np.full(TINY, start, np.float32))
                await asyncio.sleep(0)
            backlog.end()

        speaking = asyncio.create_task(speak())
        while not backlog.ended:
            await backlog.changed()
            looks += 1
        await speaking
        return looks

    assert 9 <= asyncio.run(scenario()) <= 11


def test_who_is_too_far_ahead_waits_until_some_of_it_is_understood() -> None:
    async def scenario() -> None:
        backlog = Backlog()
        backlog.add(np.zeros(2 * RATE, np.float32))
        waiting = asyncio.create_task(backlog.room(1.0))
        await asyncio.sleep(0)
        backlog.drop(RATE // 2)
        await asyncio.sleep(0)
        assert not waiting.done()
        backlog.drop(RATE // 2)
        await asyncio.wait_for(waiting, 10)

    asyncio.run(scenario())
