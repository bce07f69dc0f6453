"""How the process of one part runs: its log, and its end."""

import asyncio
import logging
import signal
import sys
import time
from collections.abc import Coroutine


def run(main: Coroutine[object, object, None]) -> None:
    """Run *main* until it returns or raises, or until SIGTERM or SIGINT cancels it. Logs go to stderr."""
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)sZ %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # it tells of every single request
    asyncio.run(_until_signalled(main))


async def _until_signalled(main: Coroutine[object, object, None]) -> None:
    task = asyncio.ensure_future(main)
    signals: list[signal.Signals] = []

    def stop(signum: signal.Signals) -> None:
        signals.append(signum)
        task.cancel()

    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop, signum)
    try:
        await task
    except asyncio.CancelledError:
        if not signals:
            raise
