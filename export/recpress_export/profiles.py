"""Names and words of the profiles: a bundle holds everybody's vectors, one user's, or nobody's."""

import difflib
from collections.abc import Sequence

from recpress_edge.artifacts.contract import ALL_USERS, HISTORY, PROFILES, SINGLE_USER
from recpress_edge.artifacts.recipes import Recipe
from recpress_edge.core.errors import ConfigError, unknown_name


def check_profile(profile: str, user: str | None) -> None:
    """ConfigError for an unknown profile, or one that does not go with the other flags."""
    if profile not in PROFILES:
        raise unknown_name("profile", profile, PROFILES)
    if profile == SINGLE_USER and user is None:
        raise ConfigError("--profile single-user holds one user's vector: say whose with --user ID")
    if profile != SINGLE_USER and user is not None:
        raise ConfigError(f"--user goes with --profile single-user, not with {profile}. Leave one out.")


def check_recipe_profile(recipe: Recipe, profile: str) -> None:
    """ConfigError for a recipe that bounds users' scores, where users' rows are made on the device."""
    if profile == HISTORY and recipe.bounds_scores:
        raise ConfigError(
            f"recipe {recipe.name} is not available for --profile history: the row of whoever asks is made "
            "on the device, so no export knows how large its scores are. Choose int8-dim."
        )


def profile_name(name: str, profile: str) -> str:
    """Name of the bundle of a profile; of all users without a suffix."""
    return name if profile == ALL_USERS else f"{name}-{profile}"


def stored_text(text: str, profile: str) -> str:
    """A recipe's words on what it stores; for a history file they name its history table, not users."""
    if profile != HISTORY:
        return text
    for of_users, of_histories in (
        ("user_emb", "history_emb"),
        ("one scale per user", "one scale for all histories"),
        ("folded into the users", "folded into the history table"),
        ("int8 users", "an int8 history table"),
    ):
        text = text.replace(of_users, of_histories)
    return text


def user_index(user: str, user_ids: Sequence[str]) -> int:
    """Index of an external user id; an unknown one is a ConfigError with the nearest ids."""
    if user in user_ids:
        return user_ids.index(user)
    close = difflib.get_close_matches(user, user_ids, n=3)
    hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    raise ConfigError(
        f"unknown user {user!r} among {len(user_ids):,} users.{hint} "
        "--user takes an id as it is in the log (users.txt of the all-users bundle lists them)."
    )
