"""Sample sizes: published tables, closed forms, and studies of that size that find what they are to find."""

import numpy as np
import pytest
from scipy import integrate, stats
from sklearn.metrics import roc_auc_score

from fracture_features.metrics import (
    delong_interval,
    delong_test,
    plan_sample_size,
    power_of_difference,
    wilson_interval,
)


def exponential(normal, y, area):
    """Scores whose ROC AUC is `area`: of Hanley and McNeil's model, from normal ones that may be common to several."""
    return np.where(y == 1, area / (1 - area), 1) * -stats.norm.logsf(normal)


@pytest.mark.parametrize(
    ("areas", "power", "n"),
    [
        ((0.70, 0.75), 0.80, 652),
        ((0.70, 0.75), 0.90, 897),
        ((0.70, 0.75), 0.95, 1131),
        ((0.825, 0.90), 0.80, 176),
        ((0.825, 0.90), 0.90, 239),
        ((0.825, 0.90), 0.95, 298),
    ],
)
def test_two_areas_as_in_hanley_and_mcneil(areas, power, n):
    """Their table III (1982): normal and as many abnormal images for each of two unrelated curves, one-sided 5 %.

    It leaves out the variance's smaller terms, which take an image or two more.
    """
    size = plan_sample_size(
        value=areas[0],
        difference=areas[1] - areas[0],
        correlation=0,
        prevalence=0.5,
        confidence_level=0.9,
        power=power,
    )
    assert n - 1 <= size.n_fractured <= n + 2


def hanley_mcneil(area, ones, zeros):
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    return (area * (1 - area) + (ones - 1) * (q1 - area**2) + (zeros - 1) * (q2 - area**2)) / (ones * zeros)


@pytest.mark.parametrize("prevalence", [0.07, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("area", [0.6, 0.85, 0.98])
@pytest.mark.parametrize("half_width", [0.02, 0.07])
def test_it_is_the_fewest_patients_for_the_interval_of_an_area(prevalence, area, half_width):
    size = plan_sample_size(value=area, half_width=half_width, prevalence=prevalence)
    reach = []
    for n in (size.n_patients - 1, size.n_patients):
        ones = int(n * prevalence + 1e-9)
        reach.append(1.959964 * hanley_mcneil(area, ones, n - ones) ** 0.5 if ones else np.inf)
    assert reach[1] <= half_width < reach[0]
    assert size.n_fractured == int(size.n_patients * prevalence + 1e-9)


@pytest.mark.parametrize("value", [0.5, 0.9, 0.97, 1.0])
@pytest.mark.parametrize("half_width", [0.02, 0.1])
def test_it_is_the_fewest_patients_for_wilsons_interval(value, half_width):
    """Where the share of so many patients can be found at all, compared with the interval itself."""
    n = plan_sample_size(measure="sensitivity", value=value, half_width=half_width, prevalence=0.4).n_fractured
    reach = []
    for k in (n - 1, n):
        hits = round(value * k)
        low, high = wilson_interval(np.arange(k) < hits)
        slack = abs(hits / k - value)  # a share between two counts
        reach.append(((high - low) / 2 - slack, (high - low) / 2 + slack))
    assert reach[1][0] <= half_width <= reach[0][1]


def test_sensitivity_and_specificity_as_in_buderer():
    """Patients are those with, or without, a fracture over their share; her normal interval is Wilson's of many."""
    for measure, share in (("sensitivity", 0.2), ("specificity", 0.8)):
        size = plan_sample_size(measure=measure, value=0.8, half_width=0.01, prevalence=0.2)
        buderer = 1.959964**2 * 0.8 * 0.2 / 0.01**2 / share
        assert size.n_patients == pytest.approx(buderer, rel=0.001)


def test_a_share_of_the_patients_is_a_whole_number_of_them():
    """29 % of 100 are 29, though 0.29 * 100 is rounded to less."""
    z = stats.norm.isf(0.025)
    half_width = z * np.sqrt(0.09 / 29 + z**2 / (4 * 29**2)) / (1 + z**2 / 29) + 1e-9
    size = plan_sample_size(measure="sensitivity", value=0.9, half_width=half_width, prevalence=0.29)
    assert size[:2] == (100, 29)


def test_the_class_that_is_rare_decides():
    rare, even = (plan_sample_size(value=0.9, half_width=0.04, prevalence=p).n_patients for p in (0.02, 0.5))
    assert rare > 10 * even


@pytest.mark.parametrize(("m", "icc", "effect"), [(1, 0.7, 1), (3, 0, 1), (3, 1, 3), (2.5, 0.4, 1.6)])
def test_several_images_of_a_patient(m, icc, effect):
    """Independent ones are worth as many patients, equal ones nothing."""
    how = {"measure": "sensitivity", "value": 0.9, "half_width": 0.02, "prevalence": 0.5}
    alone = plan_sample_size(**how)
    size = plan_sample_size(**how, images_per_patient=m, intraclass_correlation=icc)
    assert size.design_effect == pytest.approx(effect)
    assert size.n_patients == pytest.approx(alone.n_patients * effect / m, abs=2)
    assert size.n_images == np.ceil(size.n_patients * m)


def test_correlated_models_need_fewer_patients():
    sizes = [
        plan_sample_size(value=0.8, difference=0.05, correlation=r, prevalence=0.3).n_patients for r in (0, 0.5, 0.9)
    ]
    assert sizes[1] == pytest.approx(sizes[0] / 2, rel=0.01)
    assert sizes[2] == pytest.approx(sizes[0] / 10, rel=0.05)


def half_widths(size, score_of):
    y = 1 * (np.arange(size.n_patients) < size.n_fractured)
    limits = [delong_interval(y, score_of(np.random.default_rng(k).normal(size=len(y)), y)) for k in range(200)]
    return np.mean([(high - low) / 2 for low, high in limits])


@pytest.mark.parametrize("prevalence", [0.2, 0.5, 0.8])
def test_studies_of_the_planned_size_have_the_interval(prevalence):
    """DeLong's, of 200 studies."""
    size = plan_sample_size(value=0.85, half_width=0.05, prevalence=prevalence)
    mean = half_widths(size, lambda normal, y: exponential(normal, y, 0.85))
    assert mean == pytest.approx(0.05, rel=0.05)


@pytest.mark.parametrize(("prevalence", "low", "high"), [(0.2, 0.8, 0.85), (0.5, 0.95, 1.02), (0.8, 1.1, 1.25)])
def test_of_normal_scores_more_or_fewer_would_do(prevalence, low, high):
    """As the documentation says: of rare fractures the interval is narrower than planned, of frequent ones wider."""
    size = plan_sample_size(value=0.85, half_width=0.05, prevalence=prevalence)
    mean = half_widths(size, lambda normal, y: normal + np.sqrt(2) * stats.norm.ppf(0.85) * y)
    assert low < mean / 0.05 < high


@pytest.mark.parametrize(
    ("value", "difference", "shared", "prevalence"), [(0.75, 0.08, 0.5, 0.2), (0.85, 0.05, 0.8, 0.6)]
)
def test_studies_of_the_planned_size_find_the_difference(value, difference, shared, prevalence):
    """DeLong's test finds it in somewhat more than 80 %, as documented; 600 studies leave an error of 1.5 %."""
    areas = (value, value + difference)

    def scores(seed, y):
        rng = np.random.default_rng(seed)
        common, *own = rng.normal(size=(3, len(y)))
        normal = [np.sqrt(shared) * common + np.sqrt(1 - shared) * noise for noise in own]
        return [exponential(one, y, area) for one, area in zip(normal, areas, strict=True)]

    y = 1 * (np.arange(400) < 400 * prevalence)
    pilots = [[roc_auc_score(y, score) for score in scores(seed, y)] for seed in range(600)]
    correlation = np.corrcoef(np.transpose(pilots))[0, 1]
    assert shared - 0.15 < correlation < shared + 0.05
    size = plan_sample_size(value=value, difference=difference, correlation=correlation, prevalence=prevalence)
    y = 1 * (np.arange(size.n_patients) < size.n_fractured)
    found = [delong_test(y, *scores(1000 + seed, y)).p_value < 0.05 for seed in range(600)]
    first, second = (hanley_mcneil(area, size.n_fractured, size.n_patients - size.n_fractured) for area in areas)
    error = (first + second - 2 * correlation * (first * second) ** 0.5) ** 0.5
    assert np.mean(found) == pytest.approx(power_of_difference(difference, error), abs=0.04)
    assert 0.8 < np.mean(found) < 0.9


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "one of half_width and difference must be given, got None and None"),
        ({"half_width": 0.1, "difference": 0.1}, "one of half_width and difference must be given, got 0.1 and 0.1"),
        ({"half_width": 0.5}, "half_width must lie above 0 and below 0.5, got 0.5"),
        ({"half_width": 0.1, "value": 1}, r"value must lie in \(0, 1\), got 1"),
        ({"half_width": 0.1, "measure": "ppv"}, r"measure must be one of \['roc_auc', .*got 'ppv'"),
        ({"half_width": 0.1, "prevalence": 0}, r"prevalence must lie in \(0, 1\), got 0"),
        ({"half_width": 0.1, "confidence_level": 95}, r"confidence_level must lie in \(0, 1\), got 95"),
        ({"half_width": 0.1, "images_per_patient": 0.5}, "images_per_patient must be at least 1, got 0.5"),
        ({"half_width": 0.1, "intraclass_correlation": 1.2}, r"intraclass_correlation must lie in \[0, 1\], got 1.2"),
        ({"difference": 0.1}, r"correlation must lie in \[0, 1\), got None"),
        ({"difference": 0.1, "correlation": 1}, r"correlation must lie in \[0, 1\), got 1"),
        ({"difference": 0.2, "correlation": 0}, "difference must lie above 0 and below 1 - value = 0.2, got 0.2"),
        ({"difference": 0.1, "correlation": 0, "power": 80}, r"power must lie in \(0, 1\), got 80"),
        ({"difference": 0.1, "correlation": 0, "measure": "sensitivity"}, "difference is for measure='roc_auc'"),
    ],
)
def test_errors_name_what_is_wrong(given, message):
    with pytest.raises(ValueError, match=message):
        plan_sample_size(**{"value": 0.8, "prevalence": 0.3} | given)


@pytest.mark.parametrize("df", [1, 4, 33, 500])
@pytest.mark.parametrize("shift", [0, 0.5, 2.8, 6])
def test_power_from_the_definition_of_t(df, shift):
    """A normal over the root of a chi-square over its degrees of freedom, integrated over the latter."""
    reach = stats.t.isf(0.025, df)

    def beyond(chi):
        scale = reach * chi / np.sqrt(df)
        return stats.chi.pdf(chi, df) * (stats.norm.sf(scale - shift) + stats.norm.cdf(-scale - shift))

    width = 12 / np.sqrt(2)
    expected, _ = integrate.quad(beyond, max(0, np.sqrt(df) - width), np.sqrt(df) + width, limit=200)
    assert power_of_difference(shift * 0.02, 0.02, df) == pytest.approx(expected, abs=1e-6)
    assert power_of_difference(-shift * 0.02, 0.02, df) == power_of_difference(shift * 0.02, 0.02, df)


def test_power_as_in_cohens_tables():
    """One sample, two-sided 5 %: an effect of 0.5 is found with 34 patients in 80.8 %, one of 0.2 with 199 in 80.2 %.

    As G*Power 3.1 gives for a t test of a mean's difference from a constant.
    """
    assert power_of_difference(0.5, 34**-0.5, df=33) == pytest.approx(0.808, abs=5e-4)
    assert power_of_difference(0.2, 199**-0.5, df=198) == pytest.approx(0.802, abs=1e-3)


def test_power_is_the_share_of_t_tests_that_find_it():
    samples = np.random.default_rng(0).normal(0.6, 1, (20000, 15))
    found = stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05
    assert power_of_difference(0.6, 15**-0.5, df=14) == pytest.approx(found.mean(), abs=0.01)


def test_power_without_degrees_of_freedom_is_normal():
    assert power_of_difference(0, 1) == pytest.approx(0.05)
    assert power_of_difference(1.959964 + 0.841621, 1) == pytest.approx(0.8, abs=1e-5)
    assert power_of_difference(0.7, 0.2, df=10**7) == pytest.approx(power_of_difference(0.7, 0.2), abs=1e-5)
    assert power_of_difference(0.7, 0.2, df=np.inf) == power_of_difference(0.7, 0.2)
    assert power_of_difference(0.7, 0.2, alpha=0.001) < power_of_difference(0.7, 0.2)


@pytest.mark.parametrize("df", [4, 33, 1e4, 1e8, None])
@pytest.mark.parametrize("difference", [5, 20, -20, 1e6])
def test_power_of_what_cannot_be_missed(df, difference):
    assert power_of_difference(difference, 0.5, df) == pytest.approx(1, abs=1e-3)


def test_the_power_of_the_planned_size_is_that_planned():
    """Of two areas so close that both variances are the same."""
    size = plan_sample_size(value=0.8, difference=0.005, correlation=0.5, prevalence=0.5, power=0.9)
    variance = hanley_mcneil(0.8025, size.n_patients / 2, size.n_patients / 2)
    assert power_of_difference(0.005, variance**0.5) == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.nan, 1), "difference must be finite, got nan"),
        ((1, 0), "standard_error must be a number above 0, got 0"),
        ((1, np.inf), "standard_error must be a number above 0, got inf"),
        ((1, 1, 0), "df must be above 0 or None, got 0"),
        ((1, 1, 5, 5), r"alpha must lie in \(0, 1\), got 5"),
    ],
)
def test_errors_of_power_name_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        power_of_difference(*arguments)
