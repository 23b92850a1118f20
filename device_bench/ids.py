"""External ids in, external ids out: the request as an application makes it."""

from collections.abc import Sequence

from device_bench.runtimes.opening import Runtime
from device_bench.runtimes.query import F32
from recpress_edge.core.errors import ConfigError


class IdRecommender:
    """A runtime behind the bundle's id maps."""

    def __init__(self, runtime: Runtime, user_ids: Sequence[str], item_ids: Sequence[str]) -> None:
        self._runtime = runtime
        self._item_ids = item_ids
        self._users = {name: index for index, name in enumerate(user_ids)}
        self._items = {name: index for index, name in enumerate(item_ids)}

    def recommend(self, user_id: str | None, seen_ids: Sequence[str], k: int) -> tuple[list[str], F32]:
        """The best k unseen items' ids and scores; ConfigError on an id that the bundle does not know.

        ``user_id`` None: the one user of a single-user bundle; of a history bundle, whoever consumed
        ``seen_ids``.
        """
        if user_id is not None and not self._users:
            raise ConfigError(
                f"user {user_id!r}: this bundle holds no users. It answers from the history alone: "
                "give no user, and the consumed items as seen."
            )
        try:
            user = None if user_id is None else self._users[user_id]
            seen = [self._items[name] for name in seen_ids]
        except KeyError as error:
            raise ConfigError(f"unknown id {error.args[0]!r}: it is not in the bundle's id maps") from None
        items, scores = self._runtime.recommend(user, seen, k)
        names = self._item_ids
        return [names[item] for item in items.tolist()], scores
