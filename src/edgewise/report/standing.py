"""How the KAN stands among the baselines, in sentences that are the same whether it is ahead or behind."""

import math

from edgewise.report.content import ModelResult, ReportContent


def standing(content: ReportContent) -> list[str]:
    """The sentences; none where there is no score to speak of."""
    if not content.models or _missing(content.models[0]):
        return []
    ours, *others = content.models
    rows = content.split.get("test")
    place = f"On the {rows:,} test rows" if rows else "On the test rows"
    first = f"{place} the {content.score_name} of the {ours.name} is {shown(content, ours.score)}."
    others = [model for model in others if not _missing(model)]
    if content.score_name == "R²" and ours.score < 0:
        first += " Below 0 is worse than predicting the mean; a target with a long tail may need its logarithm."
    if not others:
        return [first]
    best = max(others, key=lambda model: model.score if content.higher_is_better else -model.score)
    gain = ours.score - best.score if content.higher_is_better else best.score - ours.score
    gap = difference(content, abs(gain))
    which = "the best of the other models" if len(others) > 1 else "the other model"
    if shown(content, ours.score) == shown(content, best.score):
        return [first, f"{_capital(best.name)}, {which}, does equally well."]
    word = "ahead of" if gain > 0 else "behind"
    second = f"It is {gap} {word} {which}, {best.name} ({shown(content, best.score)})."
    return [first, second, *_chance(best, abs(gain), content)]


def shown(content: ReportContent, score: float | None) -> str:
    """A score as text, in per cent or with four significant digits."""
    if score is None or not math.isfinite(score):
        return "–"
    return f"{100 * score:.1f} %" if content.score_percent else f"{score:.4g}".replace("-", "−")


def difference(content: ReportContent, gap: float) -> str:
    """A difference of scores as text."""
    if not content.score_percent:
        return f"{gap:.2g}"
    points = f"{100 * gap:.1f}"
    return f"{points} percentage {'point' if points == '1.0' else 'points'}"


def _chance(best: ModelResult, gap: float, content: ReportContent) -> list[str]:
    if best.gap_error is None or not math.isfinite(best.gap_error):
        return []
    doubt = 2 * best.gap_error
    if gap > doubt:
        return []
    chance = difference(content, doubt)
    return [f"On that many rows a difference of up to {chance} may be chance (two standard errors of the difference)."]


def _missing(model: ModelResult) -> bool:
    return model.score is None or not math.isfinite(model.score)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
