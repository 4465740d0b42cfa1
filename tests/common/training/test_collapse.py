"""The alarm must wake for a dying run and sleep through a healthy one."""

import json
import math
from collections.abc import Sequence

import pytest

from common.training.collapse import CollapseAlarm, PosteriorAlarm

FLOOR = 0.95


def run(coverages: Sequence[float], alarm: CollapseAlarm | None = None, start: int = 1) -> list[str | None]:
    """The warnings of a run evaluated every 10,000 images."""
    alarm = alarm or CollapseAlarm()
    return [
        alarm.update(coverage=coverage, floor=FLOOR, images=10_000 * (start + index))
        for index, coverage in enumerate(coverages)
    ]


def classes(alarm: CollapseAlarm, images: int, got: Sequence[int], wanted: Sequence[int] = (100, 100, 100)):
    return alarm.update(coverage=0.5, floor=FLOOR, images=images, wanted=wanted, got=got)


def test_a_healthy_rise_is_quiet():
    assert not any(run([0.0, 0.01, 0.02, 0.08, 0.15, 0.22, 0.3, 0.28, 0.31, 0.29, 0.4, 0.6, 0.8]))


def test_a_modest_plateau_is_quiet():
    assert not any(run([0.05, 0.2] + [0.3, 0.27, 0.33] * 20))


def test_a_slow_start_is_quiet_while_the_grace_lasts():
    assert not any(run([0.03, 0.005, 0.004, 0.002, 0.12, 0.3]))


def test_one_bad_evaluation_is_quiet():
    assert not any(run([0.1, 0.4, 0.6, 0.1, 0.6, 0.05, 0.6]))


def test_a_fall_that_stays_near_the_floor_is_quiet():
    alarm = CollapseAlarm()
    for index, coverage in enumerate([0.9, 0.3, 0.3, 0.3]):  # a lucky best, and real data reach only 0.5
        assert alarm.update(coverage=coverage, floor=0.5, images=10_000 * index) is None


def test_a_late_collapse_fires_at_the_second_bad_evaluation_and_while_it_lasts():
    warnings = run([0.1, 0.3, 0.5, 0.61, 0.2, 0.03, 0.03])
    assert [warning is not None for warning in warnings] == [False] * 5 + [True] * 2
    assert warnings[5] == (
        "coverage fell to 0.03 (real data: 0.95, best so far 0.61 at 40,000 images): mode collapse. Best weights are "
        "kept. Try --loss relativistic, a larger --penalty, or a larger --batch."
    )


def test_recovery_resets_the_count():
    warnings = run([0.6, 0.1, 0.1, 0.5, 0.1, 0.5, 0.1, 0.1])
    assert [index for index, warning in enumerate(warnings) if warning] == [2, 7]


def test_a_run_that_is_dead_from_the_start_fires_after_the_grace():
    warnings = run([0.01] * 7)
    assert [index for index, warning in enumerate(warnings) if warning] == [5, 6]  # 50,000 images are index 4
    assert "coverage is only 0.01 after 60,000 images (real data: 0.95)" in str(warnings[5])
    assert "lower --lr" in str(warnings[5])


def test_the_grace_can_be_set():
    assert run([0.01] * 3, CollapseAlarm(grace=0))[1] is not None


def test_the_remedy_is_the_callers():
    assert "Try a smaller --beta." in str(run([0.6, 0.1, 0.1], CollapseAlarm(remedy="a smaller --beta"))[2])


def test_a_vanished_class_is_named():
    alarm = CollapseAlarm(names=["Shirt", "Sandal", "Bag"])
    assert classes(alarm, 60_000, [120, 1, 179]) is None
    warning = classes(alarm, 70_000, [120, 1, 179])
    assert warning is not None
    assert warning.startswith("class 'Sandal' (1 of 100 asked for) has all but vanished from the samples.")


def test_several_vanished_classes_are_named_in_one_line():
    alarm = CollapseAlarm()
    classes(alarm, 60_000, [0, 19, 281])
    expected = "classes 0 (0 of 100 asked for), 1 (3 of 100 asked for) have all but vanished"
    assert expected in str(classes(alarm, 70_000, [0, 3, 297]))


def test_a_long_list_of_vanished_classes_is_cut():
    alarm = CollapseAlarm()
    for images in (60_000, 70_000):
        warning = classes(alarm, images, [0] * 8, wanted=[100] * 8)
    assert "4 (0 of 100 asked for) and 3 more have" in str(warning)


def test_classes_are_quiet_when_uneven_early_brief_or_rare():
    alarm = CollapseAlarm()
    assert classes(alarm, 10_000, [300, 0, 0]) is None  # early
    assert classes(alarm, 40_000, [300, 0, 0]) is None
    assert classes(alarm, 60_000, [250, 30, 20]) is None  # uneven
    assert classes(alarm, 70_000, [300, 0, 0]) is None  # brief
    assert classes(alarm, 80_000, [100, 100, 100]) is None
    assert classes(alarm, 90_000, [0, 300, 0]) is None  # another class than before
    for images in (100_000, 110_000):
        assert classes(alarm, images, [100, 100, 0], wanted=[100, 100, 9]) is None  # rare


def test_both_troubles_take_a_line_each():
    alarm = CollapseAlarm()
    for images, coverage in ((60_000, 0.6), (70_000, 0.1), (80_000, 0.1)):
        warning = alarm.update(coverage=coverage, floor=FLOOR, images=images, wanted=[50, 50], got=[100, 0])
    assert [line.split()[0] for line in str(warning).splitlines()] == ["coverage", "class"]


def test_a_restored_alarm_warns_as_if_it_had_never_stopped():
    dead = [(0.02, [50, 50])] * 5
    rows = (
        dead + [(0.1, [50, 50]), (0.6, [99, 1]), (0.6, [99, 1]), (0.1, [99, 1]), (0.1, [60, 40]), (0.02, [0, 100])] * 2
    )

    def play(alarm: CollapseAlarm, first: int, last: int) -> list[str | None]:
        return [
            alarm.update(coverage=rows[i][0], floor=FLOOR, images=30_000 + 10_000 * i, wanted=[50, 50], got=rows[i][1])
            for i in range(first, last)
        ]

    whole = play(CollapseAlarm(), 0, len(rows))
    assert any(whole)
    for stop in range(len(rows)):
        stopped, resumed = CollapseAlarm(), CollapseAlarm()
        before = play(stopped, 0, stop)
        resumed.restore(json.loads(json.dumps(stopped.state())))
        assert before + play(resumed, stop, len(rows)) == whole


# --- its twin for latents


def looks(*found: tuple[int, float], alarm: PosteriorAlarm | None = None, start: int = 1) -> list[str | None]:
    """The warnings of a run with 8 latent dimensions, by units in use and information, looked at every 10,000."""
    alarm = alarm or PosteriorAlarm(20_000, "more --free-bits")
    return [
        alarm.update(active=active, latent=8, information=information, images=10_000 * (start + index))
        for index, (active, information) in enumerate(found)
    ]


@pytest.mark.parametrize("found", [(8, 5.0), (4, 1.0), (4, math.nan)])
def test_a_latent_in_use_is_quiet(found: tuple[int, float]) -> None:
    assert not any(looks(*[found] * 6))


@pytest.mark.parametrize("found", [(3, 5.0), (8, 0.9), (0, 0.0), (3, math.nan)])
def test_a_lost_latent_is_told_at_the_second_look_after_the_grace_and_while_it_lasts(found: tuple[int, float]) -> None:
    assert [warning is not None for warning in looks(*[found] * 5)] == [False, False, True, True, True]


def test_a_latent_that_recovers_is_quiet_again() -> None:
    lost, used = (0, 0.0), (8, 5.0)
    warnings = looks(used, lost, used, lost, lost, used, lost, lost)
    assert [index for index, warning in enumerate(warnings) if warning] == [4, 7]


def test_the_warning_says_what_was_seen_and_what_to_try() -> None:
    assert looks((1, 0.25), (1, 0.25), start=2)[1] == (
        "the latent has 1 of 8 units in use and tells 0.2 nats of its datum: posterior collapse, so that samples "
        "hardly depend on it. Try more --free-bits."
    )
    assert "1 of 8 units in use: posterior collapse" in str(looks((1, math.nan), (1, math.nan), start=2)[1])


def test_a_restored_posterior_alarm_warns_as_if_it_had_never_stopped() -> None:
    found = [(8, 5.0), (0, 0.0), (0, 0.0), (8, 5.0), (2, 3.0), (2, 3.0), (2, 3.0)]
    whole = looks(*found)
    assert any(whole)
    for stop in range(len(found)):
        stopped, resumed = (PosteriorAlarm(20_000, "more --free-bits") for _ in range(2))
        before = looks(*found[:stop], alarm=stopped)
        resumed.restore(json.loads(json.dumps(stopped.state())))
        assert before + looks(*found[stop:], alarm=resumed, start=1 + stop) == whole
