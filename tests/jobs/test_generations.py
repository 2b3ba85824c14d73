"""What is kept of generations, and what people ask for: learned from now, made current again, excluded."""

from contextlib import suppress

import pytest
from redis import Redis

from backend.jobs.generations import MOST_KEPT, Generations, Learner, Wishes
from backend.jobs.keys import ProjectKeys
from backend.jobs.progress import Progress
from backend.jobs.queue import JobQueue


@pytest.fixture
def generations(queue: JobQueue) -> Generations:
    return Generations(queue)


def keep(generations: Generations, version: str, *, evidence: tuple[int, ...] = ()) -> None:
    generations.keep(7, version, references=[("Coin", 1)], evidence=evidence, reviewed=len(evidence))


def test_the_newest_generation_comes_first_with_what_it_is_made_of(
    generations: Generations, progress: Progress
) -> None:
    keep(generations, "v1")
    keep(generations, "v2", evidence=(4, 9))
    progress.set_generation(7, "v2", [])

    newest, oldest = generations.list(7)

    assert (newest.version, newest.references, newest.evidence) == ("v2", (("Coin", 1),), (4, 9))
    assert (newest.current, oldest.current) == (True, False)
    assert newest.made_at > oldest.made_at


def test_a_generation_that_is_made_again_keeps_its_time(generations: Generations) -> None:
    keep(generations, "v1")
    before = generations.note(7, "v1")
    keep(generations, "v1")

    assert before is not None
    assert generations.note(7, "v1") == before


def test_what_was_learned_is_kept_for_other_workers(generations: Generations) -> None:
    assert generations.learned(7, "digest") is None
    generations.keep_learned(7, "digest", "{}")

    assert (generations.learned(7, "digest"), generations.learned(8, "digest")) == ("{}", None)


def test_it_is_told_who_learns_until_that_is_over(generations: Generations, queue: JobQueue) -> None:
    """Or until the lock of a worker that was killed is gone."""
    told = []
    with queue.sync_lock(7, job_id="sync-7-a"):
        with suppress(ZeroDivisionError), generations.learning(7, 4):
            told.append(generations.learner(7))
            raise ZeroDivisionError
        told.append(generations.learner(7))
    with generations.learning(7, 4):
        told.append(generations.learner(7))

    assert told == [Learner("sync-7-a", 4), None, None]


def test_lessons_are_missed_until_they_are_kept_again(generations: Generations) -> None:
    """What others miss meanwhile lets nobody wait longer."""
    generations.note_untaught(7, "v1")
    generations.note_untaught(7, "v2")
    missed = [generations.is_untaught(7, version) for version in ("v1", "v2")]
    generations.keep_learned(7, "digest", "{}")

    assert missed == [True, False]
    assert not generations.is_untaught(7, "v1")


def test_old_generations_are_forgotten_but_not_the_one_a_person_made_current(
    generations: Generations,
) -> None:
    keep(generations, "first")
    generations.make_current(7, "first")
    for number in range(MOST_KEPT + 2):
        keep(generations, f"v{number}")

    kept = [note.version for note in generations.list(7)]

    assert len(kept) == MOST_KEPT + 1
    assert "first" in kept
    assert "v0" not in kept


def test_a_generation_is_made_current_until_it_is_undone(generations: Generations, queue: JobQueue) -> None:
    keep(generations, "v1")

    assert generations.make_current(7, "v1")
    generations.note_pinned_over(7, "v2")

    assert generations.wishes(7) == Wishes(pin="v1", pinned_over="v2")
    assert generations.list(7)[0].pinned
    assert queue.sync_waits(7)
    generations.unpin(7, "v1")
    assert generations.wishes(7).pin is None


def test_a_generation_is_lost_until_it_is_made_again(generations: Generations) -> None:
    """One that nobody knows any more cannot be lost."""
    generations.keep(7, "v1", references=[("Coin", 1)])
    generations.note_lost(7, "v1")
    generations.note_lost(7, "v0")
    before = [(note.version, note.lost) for note in generations.list(7)]
    generations.keep(7, "v1", references=[("Coin", 1)])

    assert before == [("v1", True)]
    assert [note.lost for note in generations.list(7)] == [False]


def test_the_choice_of_a_lost_generation_gives_way_to_the_one_before(generations: Generations) -> None:
    for version in ("v1", "v2"):
        keep(generations, version)
        generations.make_current(7, version)

    assert generations.note_lost(7, "v2") == "v1"
    assert generations.wishes(7) == Wishes(pin="v1")
    assert generations.note_lost(7, "v1") is None
    assert generations.wishes(7) == Wishes()


def test_a_later_choice_than_that_of_a_lost_generation_holds(generations: Generations) -> None:
    for version in ("v1", "v2", "v3"):
        keep(generations, version)
        generations.make_current(7, version)

    assert generations.note_lost(7, "v2") is None
    assert generations.wishes(7).pin == "v3"


def test_an_unknown_generation_cannot_be_made_current(generations: Generations, queue: JobQueue) -> None:
    assert not generations.make_current(7, "v1")
    assert not queue.sync_waits(7)


def test_a_pin_that_was_changed_meanwhile_is_not_undone(generations: Generations) -> None:
    """The sync read the first wish, a person made another one."""
    keep(generations, "v1")
    keep(generations, "v2")
    generations.make_current(7, "v1")
    generations.make_current(7, "v2")
    generations.unpin(7, "v1")

    assert generations.wishes(7).pin == "v2"


def test_to_learn_now_undoes_the_pin_and_is_done_once(generations: Generations, queue: JobQueue) -> None:
    keep(generations, "v1")
    generations.make_current(7, "v1")

    assert generations.learn_now(7)
    assert not generations.learn_now(7)
    wishes = generations.wishes(7)
    generations.note_learned(7, wishes, 3)

    assert (wishes.pin, queue.sync_waits(7)) == (None, True)
    assert generations.wishes(7) == Wishes(count=3)


def test_who_asks_again_while_it_is_learned_is_not_forgotten(generations: Generations) -> None:
    generations.learn_now(7)
    read = generations.wishes(7)
    generations.learn_now(7)
    generations.note_learned(7, read, 3)

    assert generations.wishes(7).asked is not None


def test_what_was_learned_from_is_no_fewer_later(generations: Generations) -> None:
    """Where learning is off, a sync learns from none."""
    generations.note_learned(7, generations.wishes(7), 6)
    generations.note_learned(7, generations.wishes(7), 0)

    assert generations.wishes(7).count == 6


def test_reviews_are_counted_until_there_is_something_to_learn(generations: Generations) -> None:
    """Nothing is known of an empty Redis: better a look too many."""
    assert generations.note_review(7)
    generations.note_missing(7, 2)
    assert [generations.note_review(7) for _ in range(3)] == [False, True, True]
    generations.note_missing(7, None)
    assert not generations.note_review(7)


def test_reviews_that_no_sync_has_counted_are_told_while_none_is_on_its_way(generations: Generations) -> None:
    """Where the third of three makes something to learn, a sync comes at once."""
    generations.note_missing(7, 3)
    found = [generations.note_review(7) or generations.uncounted(7) for _ in range(2)]
    generations.note_review(7)
    due = generations.uncounted(7)
    generations.note_missing(7, 4)

    assert (found, due, generations.uncounted(7)) == ([1, 2], 0, 0)


def test_an_annotation_is_excluded_and_included_again(generations: Generations) -> None:
    assert generations.exclude(7, 12)
    assert not generations.exclude(7, 12)
    assert generations.excluded(7) == generations.wishes(7).excluded == {12}
    assert generations.include(7, 12)
    assert not generations.include(7, 12)
    assert generations.excluded(7) == frozenset()


def test_a_project_that_is_gone_leaves_nothing(
    generations: Generations, progress: Progress, connection: Redis
) -> None:
    keep(generations, "v1")
    generations.exclude(7, 1)
    generations.learn_now(7)
    progress.forget_project(7)
    keys = ProjectKeys(7)

    assert connection.exists(keys.generations, keys.wishes, keys.excluded) == 0
