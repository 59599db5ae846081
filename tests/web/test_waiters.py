"""Those who wait for news, and the one who looks for all of them."""

import asyncio

from patience import PATIENCE_S

from gateway.web.waiters import Waiters


def test_an_end_that_meets_news_is_an_end():
    """asyncio.wait_for() loses a cancelling in that moment: a worker that was told to stop stood still for ever."""

    async def live():
        looked = asyncio.Event()

        async def look(_parties):
            looked.set()
            return {}

        waiters = Waiters(look, asyncio.Event())
        looking = asyncio.create_task(waiters.run())
        first = asyncio.create_task(waiters.wait("cong-dvc", 0, PATIENCE_S))
        await looked.wait()
        for _ in range(5):
            await asyncio.sleep(0)  # it has looked, and waits for news
        second = asyncio.create_task(waiters.wait("so-tu-phap", 0, PATIENCE_S))
        await asyncio.sleep(0)  # who comes now is news
        looking.cancel()
        ended, _ = await asyncio.wait([looking], timeout=PATIENCE_S)
        for task in (first, second, looking):
            task.cancel()
        return bool(ended)

    assert asyncio.run(live())
