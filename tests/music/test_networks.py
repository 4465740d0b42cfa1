"""Networks of music: what a roll can be, what stays as it is given, and what they hear."""

import json
import math

import pytest
import torch
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from common.randomness import Draw
from common.schema import from_json
from music.metrics import parallels
from music.models import to_scores
from music.networks import Composer, MusicCritic, RollFeatures, Successions
from music.rolls import MusicContext, NetworkConfig, given, random_mask, read_condition, steps_before, valid_steps
from music.score import TrackSpec
from music.theory import GRIDS

TRACKS = (
    TrackSpec("Melody", "mono", 64, 71),
    TrackSpec("Bass", "mono", 60, 66),
    TrackSpec("Chords", "poly", 62, 70),
    TrackSpec("Drums", "drums", 60, 63),
)
N = 8


def config(
    tracks: tuple[TrackSpec, ...] = TRACKS, styles: tuple[str, ...] = ("jig", "reel"), grid: int = 4
) -> NetworkConfig:
    sizes = {"width": 8, "latent": 6, "bar_latent": 3}
    return NetworkConfig(tracks, 60, 71, 2, 4 * grid, ("4/4", "3/4"), styles, grid=grid, **sizes)


def shaken(network: nn.Module, amount: float = 0.3) -> nn.Module:
    """The network out of its silent start, so that every part has a say."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(amount * torch.randn_like(parameter))
    return network


def condition(settings: NetworkConfig, n: int = N) -> MusicContext:
    """Any conditions, of every metre, with nothing given."""
    numbers = {name: torch.randint(2, (n,)) for name in ("mode", "first", "last")}
    shape = (n, 2, len(settings.tracks), settings.steps, settings.pitches)
    empty = {"mask": torch.zeros(n, *shape[2:4]), "given": torch.zeros(shape)}
    style = {"style": torch.arange(n) % 3} if settings.styles else {}
    return {**numbers, **style, **empty, "metre": torch.arange(n) % len(settings.metres)}


def a_roll(settings: NetworkConfig, metre: Tensor) -> Tensor:
    """Noise as a roll: every pitch at every valid step sounds with probability 1/5, and begins half of the time."""
    shape = (len(metre), len(settings.tracks), settings.steps, settings.pitches)
    pitch = (torch.rand(shape) < 0.2) & valid_steps(settings)[metre][:, None, :, None]
    return torch.stack([pitch, pitch & (torch.rand(shape) < 0.5)], 1).float()


@pytest.fixture(scope="module", params=GRIDS)
def composer(request: pytest.FixtureRequest) -> Composer:
    torch.manual_seed(0)
    return shaken(Composer(config(grid=request.param))).eval()  # type: ignore[return-value]


def composed(composer: Composer, chosen: MusicContext) -> Tensor:
    with torch.no_grad():
        return composer(torch.randn(len(chosen["metre"]), composer.config.latents), chosen)


# --- what a roll can be


@pytest.mark.parametrize("seed", range(3))
def test_rolls_are_zeros_and_ones_that_instruments_can_play(seed: int, composer: Composer) -> None:
    torch.manual_seed(seed)
    chosen = condition(composer.config)
    roll = composed(composer, chosen)
    assert roll.shape == (N, 2, 4, 8 * composer.config.grid, 12)
    assert torch.equal(roll, (roll > 0.5).float())  # exactly, though gradients pass
    pitch, onset = roll.bool().unbind(1)
    assert pitch.any() and not pitch.all()
    assert not (onset & ~pitch).any()
    for index, track in enumerate(TRACKS):
        outside = [p for p in range(12) if not track.low <= 60 + p <= track.high]
        assert not pitch[:, index, :, outside].any(), track.name
        if track.kind == "mono":
            assert pitch[:, index].sum(2).max() <= 1
    assert torch.equal(pitch[:, 3], onset[:, 3])  # hits have no length
    assert pitch[:, 2].sum(2).max() > 1  # but chords have several notes


def test_the_filling_of_short_bars_is_silent(composer: Composer) -> None:
    roll = composed(composer, condition(composer.config))
    grid = composer.config.grid
    waltz = roll[1::2].reshape(-1, 2, 4, 2, 4 * grid, 12)
    assert waltz[..., : 3 * grid, :].any() and not waltz[..., 3 * grid :, :].any()


def test_every_new_pitch_begins_with_an_onset(composer: Composer) -> None:
    torch.manual_seed(1)
    chosen = condition(composer.config)
    for row, roll in enumerate(composed(composer, chosen).bool()):
        valid = valid_steps(composer.config)[chosen["metre"][row]]
        pitch, onset = roll[:, :, valid]  # what follows each other in time, without filling
        held = torch.cat([torch.zeros_like(pitch[:, :1]), pitch[:, :-1]], 1)
        assert not (pitch & ~held & ~onset).any()


def test_notes_can_be_held_and_struck_again(composer: Composer) -> None:
    torch.manual_seed(1)
    pitch, onset = composed(composer, condition(composer.config)).bool()[:, :, :3].unbind(1)
    held = pitch[:, :, 1:] & pitch[:, :, :-1]
    assert (held & onset[:, :, 1:]).any() and (held & ~onset[:, :, 1:]).any()


def test_steps_before_leap_over_the_filling() -> None:
    four, three = steps_before(config()).tolist()
    assert four == [0, *range(31)]
    assert three[:13] == [0, *range(12)]
    assert three[16:20] == [11, 16, 17, 18]  # the second bar follows the twelfth step of the first
    assert valid_steps(config())[1].tolist() == ([True] * 12 + [False] * 4) * 2


# --- what is given


@settings(max_examples=20, deadline=None)
@drawn(seed=st.integers(0, 10_000))
def test_what_is_given_stands_unchanged(seed: int) -> None:
    torch.manual_seed(0)
    composer = shaken(Composer(config()))
    torch.manual_seed(seed)
    chosen = condition(composer.config)
    roll = a_roll(composer.config, chosen["metre"])
    mask = random_mask(composer.config, Draw(seed, rows=N))
    written = composed(composer, chosen | {"mask": mask, "given": given(roll, mask)})  # type: ignore[arg-type]
    stands = mask[:, None, :, :, None].bool().expand_as(roll)
    assert torch.equal(written[stands], roll[stands])


@pytest.mark.parametrize("voices", [1, 2, 4])
def test_masks_are_nothing_voices_bars_or_bars_of_voices(voices: int) -> None:
    settings = config(TRACKS[:voices])
    mask = random_mask(settings, Draw(0, rows=4000)).view(4000, voices, 2, 16)
    assert not mask.flatten(1).all(1).any()  # something is always left to write
    assert torch.equal(mask, mask[..., :1].expand_as(mask))
    cells = mask[..., 0]  # (N, T, bars)
    by_voice, by_bar = (cells == cells[:, :, :1]).flatten(1).all(1), (cells == cells[:, :1]).flatten(1).all(1)
    assert by_voice.any() and by_bar.any() and (voices == 1 or not (by_voice | by_bar).all())
    # Composing gives nothing. So do tosses that are all tails: of n things 2^-n (of one alone always), and with a share
    # that is itself drawn evenly 1 / (n + 1).
    harmonise = 0.25 if voices > 1 else 0.0
    nothing = 0.25 + harmonise * 2**-voices + (0.4 - harmonise) * 2**-2 + 0.35 / (2 * voices + 1)
    assert (cells == 0).flatten(1).all(1).float().mean().item() == pytest.approx(nothing, abs=0.03)


def test_likelihood_by_hand() -> None:
    """Outputs of zeros make all choices even.

    The first step of a patch costs a mono track ln(P + 1), and ln 2 more if it may be struck again; the second costs
    ln 2 for whether anything begins, and ln(P + 1) more if it does.
    """
    settings = config(TRACKS[:2], styles=())
    composer, chosen = Composer(settings), condition(settings, n=1)
    for parameter in composer.vae.decoder.last.parameters():
        nn.init.zeros_(parameter)
    roll = torch.zeros(1, 2, 2, settings.steps, settings.pitches)
    roll[:, 0, :, :4, 5] = roll[:, 1, :, 0, 5] = 1  # in both voices a quarter note, held for three steps
    z = torch.zeros(1, settings.latents)
    choice, toss = math.log(settings.pitches + 1), math.log(2)
    voice = 16 * choice + 17 * toss  # of two bars of 4/4: 16 patches
    assert composer.vae.nll(roll, z, chosen).item() == pytest.approx(2 * voice, rel=1e-5)
    mask = torch.zeros(1, 2, settings.steps)
    mask[:, 1] = 1
    chosen |= {"mask": mask, "given": given(roll, mask)}  # what is given costs nothing
    assert composer.vae.nll(roll, z, chosen).item() == pytest.approx(voice, rel=1e-5)
    roll[:, :, 0, 7] = torch.eye(settings.pitches)[3]  # a sixteenth at the second step of a patch
    assert composer.vae.nll(roll, z, chosen).item() == pytest.approx(voice + choice, rel=1e-5)


def test_chords_and_drums_are_likelier_by_what_sounds() -> None:
    torch.manual_seed(0)
    settings = config()
    composer, chosen = Composer(settings), condition(settings)
    roll = a_roll(settings, chosen["metre"])
    roll[:, 1, 3] = roll[:, 0, 3]  # hits have no length
    z = torch.randn(N, settings.latents, requires_grad=True)
    for parameter in composer.vae.decoder.last.parameters():
        nn.init.zeros_(parameter)
    composer.vae.nll(roll, z, chosen).sum().backward()
    bias = composer.vae.decoder.last.bias.grad
    drums = roll[:, 0, 3].sum((0, 1)), bias[-settings.pitches :]
    valid = valid_steps(settings)[chosen["metre"]].sum()
    torch.testing.assert_close(drums[1], 0.5 * valid - drums[0])  # d/dl BCE(l, x) = sigmoid(l) - x


@pytest.mark.parametrize("grid", GRIDS)
def test_the_likeliest_draw_is_what_is_composed(grid: int) -> None:
    torch.manual_seed(0)
    settings = config(grid=grid)
    notation, chosen = Composer(settings).notation, condition(settings)
    roll = a_roll(settings, chosen["metre"])
    lines = torch.randint(settings.pitches, (N, 1, 2, settings.steps))
    roll[:, :, :2] *= F.one_hot(lines, settings.pitches)  # a mono track has one pitch at a time
    mask = (torch.rand(N, len(settings.tracks), settings.steps) < 0.4).float()
    chosen |= {"mask": mask, "given": given(roll, mask)}
    outputs = 3 * torch.randn(N, settings.steps, notation.size)
    composed = notation.compose(outputs, chosen) > 0.5
    noise = torch.full((2 * N, settings.steps, sum(notation.drawn)), 0.5)  # a note begins if that is the likelier
    assert torch.equal(notation.draw(outputs, chosen, 0, noise), composed.expand(2, *composed.shape))
    as_bool = chosen | {"given": given(roll.bool(), mask)}
    assert torch.equal(notation.draw(outputs, as_bool, 0, noise)[1], composed)


@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_notes_are_drawn_by_their_probabilities(temperature: float) -> None:
    """A mono track's pitches by the softmax, chords' by the sigmoid, of outputs over the temperature."""
    torch.manual_seed(0)
    settings, draws = config(TRACKS[1:3], styles=()), 1_000
    notation, chosen = Composer(settings).notation, condition(settings, n=1)
    outputs = torch.randn(1, settings.steps, notation.size)
    same = outputs[:, :1].expand(1, settings.steps, -1)
    noise = notation.noise(draws, torch.Generator().manual_seed(1))
    pitch = notation.draw(same, chosen, temperature, noise)[:, 0, 0, :, ::2].float()  # as patches begin
    mono, poly = pitch.mean((0, 2))
    notes, _, chords, _ = outputs[0, 0].split([part for split in notation.splits for part in split])
    reach = notation.reach.float()
    among = torch.cat([torch.ones(1), reach[0]]).log() + notes / temperature
    torch.testing.assert_close(mono, among.softmax(0)[1:], atol=0.02, rtol=0)
    torch.testing.assert_close(poly, (chords / temperature).sigmoid() * reach[1], atol=0.02, rtol=0)


@pytest.mark.parametrize("temperature", [0.0, 2.0])
@pytest.mark.parametrize("track", TRACKS[1:3])
def test_whether_a_note_begins_is_as_likely_as_the_network_has_it(temperature: float, track: TrackSpec) -> None:
    settings, draws = config((track,), styles=()), 1_000
    notation, chosen = Composer(settings).notation, condition(settings, n=1)
    outputs = torch.full((1, settings.steps, notation.size), -99.0)
    pitch = track.low - settings.low
    outputs[..., pitch + (track.kind == "mono")] = 99.0  # it sounds throughout
    outputs[..., notation.splits[0][0] :] = -1.0
    rolls = notation.draw(outputs, chosen, temperature, notation.noise(draws, torch.Generator().manual_seed(1)))
    begins = rolls[:, 0, 1, 0, 1:, pitch].float().mean().item()  # but for the first step, where all begin
    assert begins == pytest.approx(torch.tensor(-1.0).sigmoid().item(), abs=0.02)


def voices(*lines: str) -> Tensor:
    """Lines such as "C-EF" of mono tracks as a roll (1, 2, T, 32, 12): a step a letter, "-" holds, "." rests."""
    roll = torch.zeros(1, 2, len(lines), 32, 12)
    for track, line in enumerate(lines):
        for step, letter in enumerate(line):
            if letter == "-":
                roll[0, 0, track, step] = roll[0, 0, track, step - 1]
            elif letter != ".":
                roll[0, :, track, step, "CcDdEFfGgAaB".index(letter)] = 1
    return roll


@pytest.mark.parametrize(
    ("upper", "lower", "count"),
    [
        ("GA", "CD", 1),  # fifths
        ("CD", "CD", 1),  # unisons
        ("GABA", "CDED", 3),
        ("G-A-", "C-D-", 1),  # in eighths
        ("GG", "CC", 0),  # nothing moves
        ("GA", "C-", 0),
        ("G.A", "C.D", 0),  # a rest between
        ("EF", "CD", 0),  # thirds
        ("CD", "GA", 0),  # fourths
        ("GE", "CD", 0),  # from a fifth to another interval
    ],
)
def test_parallels_by_hand(upper: str, lower: str, count: int) -> None:
    settings = config(tuple(TrackSpec(name, "mono", 60, 71) for name in "ab"))
    chosen = condition(settings, n=1)
    found = Composer(settings).notation.parallels(voices(upper, lower), chosen)
    assert found.tolist() == [count / settings.bars]


def test_parallels_are_those_of_the_metric_over_the_filling_of_short_bars() -> None:
    torch.manual_seed(0)
    settings = config(tuple(TrackSpec(name, "mono", 60, 71) for name in "ab"))
    chosen = condition(settings, n=16)
    line = torch.randint(8, 10, (16, 1, settings.steps)).repeat(1, 2, 1)
    line[:, 1] -= torch.tensor([0, 7])[torch.randint(2, (16, 1))]  # in unisons or fifths all the way
    pitch = nn.functional.one_hot(line, 12) * valid_steps(settings)[chosen["metre"]][:, None, :, None]
    roll = torch.stack([pitch, pitch], 1).float()
    expected = [parallels(score) for score in to_scores(settings, roll, chosen["metre"], chosen["mode"])]
    assert Composer(settings).notation.parallels(roll, chosen).tolist() == pytest.approx(expected)
    assert min(expected) > 0


def test_parallels_can_be_descended() -> None:
    settings = config(tuple(TrackSpec(name, "mono", 60, 71) for name in "ab"))
    roll = voices("GA", "CD").requires_grad_()
    Composer(settings).notation.parallels(roll, condition(settings, n=1)).sum().backward()
    assert roll.grad is not None
    for track, pitch in ((0, 9), (1, 2)):  # less of the A, or of the D, would be better
        assert roll.grad[0, 0, track, 1, pitch] > 0


def test_parallels_need_two_mono_tracks(composer: Composer) -> None:
    single = Composer(config(TRACKS[2:]))
    assert (
        single.notation.parallels(a_roll(single.config, torch.zeros(2, dtype=torch.long)), condition(single.config, 2))
        .eq(0)
        .all()
    )


@pytest.mark.parametrize("dropout", [0.0, 0.3, 1.0])
def test_styles_are_hidden_as_often_as_asked(dropout: float) -> None:
    settings, n = config(), 2000
    batch = {name: torch.zeros(n, dtype=torch.long) for name in ("mode", "metre", "first", "last", "label")}
    batch |= {name: torch.ones(n, 4, 32, 12, dtype=torch.uint8) for name in ("pitch", "onset")}
    read = read_condition(settings, dropout)(batch, Draw(0, rows=n))
    assert set(read["style"].tolist()) <= {0, len(settings.styles)}
    assert (read["style"] == len(settings.styles)).float().mean().item() == pytest.approx(dropout, abs=0.04)
    assert torch.equal(read["given"][:, 0, :, :, 0], read["mask"])  # of music in which everything sounds


def test_music_without_styles_has_none_to_read() -> None:
    settings = config(styles=())
    composer, chosen = Composer(settings), condition(settings)
    assert "style" not in composer.vae.decoder.condition.tables
    assert composed(composer, chosen).shape == (N, 2, 4, 32, 12)


def test_the_networks_read_of_windows_what_is_known_with_nothing_given() -> None:
    settings, chosen = config(), condition(config())
    batch = {name: chosen[name] for name in ("mode", "metre", "first", "last")}
    batch |= {"label": chosen["style"], "pitch": torch.ones(N, 4, settings.steps, settings.pitches, dtype=torch.bool)}
    read = Composer(settings).vae.read(batch)
    assert read.keys() == chosen.keys()
    assert all(torch.equal(read[name], chosen[name]) for name in chosen)


# --- what they hear


@pytest.mark.parametrize("name", ["mode", "metre", "first", "last", "style"])
def test_conditions_change_the_music(name: str, composer: Composer) -> None:
    torch.manual_seed(2)
    z, chosen = torch.randn(N, composer.config.latents), condition(composer.config)
    with torch.no_grad():
        zero, one = (composer(z, chosen | {name: torch.full((N,), value)}) for value in (0, 1))
    assert not torch.equal(zero, one)


def test_every_latent_changes_the_music(composer: Composer) -> None:
    chosen = condition(composer.config)
    with torch.no_grad():
        silent = composer(torch.zeros(N, composer.config.latents), chosen)
        for latent in range(composer.config.latents):
            z = torch.zeros(N, composer.config.latents)
            z[:, latent] = 9
            assert not torch.equal(composer(z, chosen), silent), latent


def hears(settings: NetworkConfig, upper: int, lower: int) -> Tensor:
    """The interval classes (12,) that a network sees where two voices sound these pitches."""
    features = RollFeatures(settings, 4)
    roll = torch.zeros(1, 2, 2, 32, 12)
    roll[0, 0, 0, :, upper - 60] = roll[0, 0, 1, :, lower - 60] = 1
    seen: list[Tensor] = []
    assert features.mix_intervals is not None
    features.mix_intervals.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    features(roll, torch.zeros(1, 2, 32))
    assert torch.equal(seen[0], seen[0][:, :, :1].expand_as(seen[0]))
    return seen[0][0, :, 0]


@pytest.mark.parametrize(("upper", "lower", "interval"), [(67, 60, 7), (60, 67, 5), (64, 64, 0), (60, 71, 1)])
def test_intervals_are_counted_from_the_lower_voice(upper: int, lower: int, interval: int) -> None:
    assert hears(config(TRACKS[:2]), upper, lower).nonzero().flatten().tolist() == [interval]


def test_drums_make_no_intervals() -> None:
    assert RollFeatures(config(), 4).pairs == [(0, 1), (0, 2), (1, 2)]
    assert RollFeatures(config(TRACKS[3:]), 4).mix_intervals is None


def test_successions_by_hand() -> None:
    settings = config(TRACKS[:2])
    found = Successions(settings, 4)
    found.mix = nn.Conv1d(12, 12, 1, bias=False)  # type: ignore[assignment]
    nn.init.dirac_(found.mix.weight)
    roll = torch.zeros(1, 2, 2, settings.steps, settings.pitches)  # pitches from 60 on
    for step, (upper, lower) in enumerate([(7, 0), (9, 2), (9, 2), (11, 2), (8, 8), (3, 3)]):
        roll[0, 0, 0, step, upper] = roll[0, 0, 1, step, lower] = 1
    again = found(roll, condition(settings, 1))[0]  # (12, S)
    expected = torch.zeros(12, settings.steps)
    expected[7, 1] = expected[0, 5] = 1  # fifths in parallel, then unisons; a repeated fifth or one voice alone is none
    assert torch.equal(again, expected)


def test_each_bar_is_judged_by_itself() -> None:
    torch.manual_seed(0)
    settings = config()
    critic, chosen = shaken(MusicCritic(settings)), condition(settings)
    critic.blocks = nn.ModuleList(nn.AvgPool1d(4) if level == 0 else nn.Identity() for level in range(1))
    roll = a_roll(settings, chosen["metre"])
    other = roll.clone()
    other[:, :, :, -settings.bar_steps + 2 :] = 0  # of the last bar all but what its first step moves to
    with torch.no_grad():
        before, after = critic(roll, chosen), critic(other, chosen)
    assert torch.equal(before[:, 1:-1], after[:, 1:-1])
    assert not torch.isclose(before[:, [0, -1]], after[:, [0, -1]]).any()


# --- gradients, the critic, and the config


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("network", ["composer", "vae", "critic"])
def test_every_parameter_gets_a_gradient(network: str, grid: int) -> None:
    torch.manual_seed(0)
    settings = config(grid=grid)
    composer, chosen = shaken(Composer(settings), 0.05), condition(settings)
    critic = shaken(MusicCritic(settings), 0.05)
    roll = a_roll(settings, chosen["metre"])
    mask = random_mask(settings, Draw(0, rows=N))
    chosen |= {"mask": mask, "given": given(roll, mask)}
    z = torch.randn(N, settings.latents)
    vae = composer.vae
    output = {"composer": lambda: composer(z, chosen), "critic": lambda: critic(roll, chosen)}
    output["vae"] = lambda: torch.stack([part.sum() for part in vae(roll, z, chosen)])
    result = output[network]()
    (result * torch.randn_like(result)).sum().backward()
    for name, parameter in {"composer": vae.decoder, "vae": vae, "critic": critic}[network].named_parameters():
        assert parameter.grad is not None, name
        assert 0 < parameter.grad.abs().sum() < math.inf, name


def test_the_critic_teaches_the_composer() -> None:
    torch.manual_seed(0)
    settings = config()
    composer, critic, chosen = shaken(Composer(settings), 0.05), shaken(MusicCritic(settings)), condition(settings)
    critic(composer(torch.randn(N, settings.latents), chosen), chosen).sum().backward()
    assert all(
        parameter.grad is not None and parameter.grad.any() for parameter in composer.vae.decoder.last.parameters()
    )  # type: ignore[union-attr]


def test_the_critic_judges_real_and_composed_music_in_one_forward_as_in_two() -> None:
    torch.manual_seed(0)
    settings = config()
    critic, chosen = shaken(MusicCritic(settings)), condition(settings)
    real, fake = a_roll(settings, chosen["metre"]), a_roll(settings, chosen["metre"])
    both = {name: torch.cat([tensor, tensor]) for name, tensor in chosen.items()}
    with torch.no_grad():
        logits = critic(torch.cat([real, fake]), both)
        apart = torch.cat([critic(real, chosen), critic(fake, chosen)])
    assert logits.shape == (2 * N, 1 + settings.bars)
    torch.testing.assert_close(logits, apart)


@pytest.mark.parametrize("name", ["mode", "metre", "first", "last", "style", "mask"])
def test_the_critic_reads_the_condition(name: str) -> None:
    torch.manual_seed(0)
    settings = config()
    critic, chosen = shaken(MusicCritic(settings)), condition(settings)
    roll = a_roll(settings, chosen["metre"])
    with torch.no_grad():
        zero, one = (critic(roll, chosen | {name: torch.full_like(chosen[name], value)}) for value in (0, 1))
    assert not torch.allclose(zero, one)


@pytest.mark.parametrize("tracks", [TRACKS, TRACKS[:1], TRACKS[3:]])
def test_a_config_travels_as_json(tracks: tuple[TrackSpec, ...]) -> None:
    settings = config(tracks)
    assert from_json(NetworkConfig, json.loads(json.dumps(settings.as_json()))) == settings
    assert (settings.pitches, settings.steps, settings.latents) == (12, 32, 6 + 2 * 3)
    assert composed(Composer(settings), condition(settings)).shape == (N, 2, len(tracks), 32, 12)


def test_a_config_of_another_version_is_told() -> None:
    values = json.loads(json.dumps(config().as_json()))
    assert from_json(NetworkConfig, {name: value for name, value in values.items() if name != "grid"}) == config()
    with pytest.raises(ValueError, match="'depth' is unknown"):
        from_json(NetworkConfig, values | {"depth": 3})
    with pytest.raises(ValueError, match="'tracks' is missing"):
        from_json(NetworkConfig, {name: value for name, value in values.items() if name != "tracks"})
