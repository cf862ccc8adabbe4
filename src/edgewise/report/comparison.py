"""Sentences that compare the KAN with the baselines; they are the same whether it is ahead or behind."""

import math

from edgewise.presentation import enumeration
from edgewise.report.content import ModelResult, ReportContent


def comparison_sentences(content: ReportContent) -> list[str]:
    """Return the sentences; none where the KAN has no finite score."""
    if content.models:
        own = _score(content.models[0])
    else:
        own = None
    if own is None:
        return []
    name = content.models[0].name
    rows = content.split.get("test")
    if rows:
        place = f"On the {rows:,} test rows"
    else:
        place = f"On the {content.score_rows}"
    spread = ""
    error = content.models[0].error
    if error is not None and math.isfinite(error):
        if content.score_percent:
            size = f"{100 * error:.1f} points"
        else:
            size = f"{error:.2g}"
        spread = f" (standard error {size})"
    first = f"{place} the {content.score_name} of the {name} is {score_text(content, own)}{spread}."
    others = [(score, model) for model in content.models[1:] if (score := _score(model)) is not None]
    if content.score_name == "R²" and own < 0:
        first += " Below 0 is worse than predicting the mean; a target with a long tail may need its logarithm."
    if not others:
        return [first]
    sign = 1 if content.higher_is_better else -1
    score, best = max(others, key=lambda each: sign * each[0])
    gain = sign * (own - score)
    gap = _difference(content, abs(gain))
    if len(others) > 1:
        which = "the best of the other models"
    else:
        which = "the other model"
    if score_text(content, own) == score_text(content, score):
        equal = f"{best.name[:1].upper() + best.name[1:]}, {which}, does equally well."
        return [first, equal, *verdict_sentences(content)]
    word = "ahead of" if gain > 0 else "behind"
    second = f"It is {gap} {word} {which}, {best.name} ({score_text(content, score)})."
    messages = [first, second]
    if best.gap_error is not None and abs(gain) <= 2 * best.gap_error < math.inf:
        chance = _difference(content, 2 * best.gap_error)
        messages.append(
            f"On that many rows a difference of up to {chance} may be chance (two standard errors of the difference)."
        )
    return [*messages, *verdict_sentences(content)]


def verdict_sentences(content: ReportContent) -> list[str]:
    """Return one sentence on which model to use; none where differences of scores have no standard errors."""
    own = content.models[0]
    sign = 1 if content.higher_is_better else -1
    ahead: list[ModelResult] = []  # of which the KAN is ahead beyond chance, by two standard errors of the difference
    level: list[ModelResult] = []
    behind: list[ModelResult] = []
    for model in content.models[1:]:
        score = _score(model)
        if score is None or own.score is None:
            continue
        if model.gap_error is None or not math.isfinite(model.gap_error):
            return []
        gain = sign * (own.score - score)
        if abs(gain) <= 2 * model.gap_error:
            level.append(model)
        elif gain > 0:
            ahead.append(model)
        else:
            behind.append(model)
    if not ahead + level + behind:
        return []
    simpler = [one for one in level if (one.parameters or math.inf) < (own.parameters or 0)]
    if behind:
        names = enumeration([one.name for one in behind])
        return [f"Verdict: {names} {'predict' if len(behind) > 1 else 'predicts'} better than the KAN, beyond chance."]
    if simpler:
        simplest = min(simpler, key=lambda one: one.parameters or math.inf)
        return [f"Verdict: use {simplest.name}, which is simpler and as good within chance."]
    parts = []
    if ahead:
        parts.append(f"better than {enumeration([one.name for one in ahead])} beyond chance")
    if level:
        parts.append(f"as good as {enumeration([one.name for one in level])} within chance")
    return [f"Verdict: use the KAN, which is {' and '.join(parts)}."]


def score_text(content: ReportContent, score: float | None) -> str:
    """Return a score as text, in per cent or with four significant digits."""
    if score is None or not math.isfinite(score):
        return "–"
    if content.score_percent:
        return f"{100 * score:.1f} %"
    return f"{score:.4g}".replace("-", "−")


def _difference(content: ReportContent, gap: float) -> str:
    """Return a difference of scores as text."""
    if not content.score_percent:
        return f"{gap:.2g}"
    points = f"{100 * gap:.1f}"
    return f"{points} percentage {'point' if points == '1.0' else 'points'}"


def _score(model: ModelResult) -> float | None:
    """Return the score, None where it is missing or not finite."""
    if model.score is not None and math.isfinite(model.score):
        return model.score
    return None
