"""Change the source in one small place after the other, and count the changes that the tests catch.

    python benchmarks/mutate.py [--only NAME ...] [--named]

Each mutation names the tests that should fail, files of `tests/` or one test of them. It is made in a copy of the
repository, in a temporary folder. First all of these tests have to pass there without a mutation (not with --only). A
mutation whose place is no longer there is an error: change it with the source. `--named` runs those alone that once
lived.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]


class Mutation(NamedTuple):
    """A place in the source, what stands there instead, and the tests that should notice."""

    name: str
    file: str
    old: str
    new: str
    tests: str


# Those that no test caught once.
NAMED = [
    Mutation(
        "threshold",
        "evaluation/_fit.py",
        "scores[:, 1] >= threshold",
        "scores[:, 1] > threshold",
        "test_evaluation_fits::test_an_image_at_the_threshold_is_called_fractured",
    ),
    Mutation(
        "threshold of studies",
        "results/_studies.py",
        "scores[:, 1] >= fold.threshold",
        "scores[:, 1] > fold.threshold",
        "test_studies::test_a_patient_at_the_threshold_is_called_fractured",
    ),
    Mutation(
        "last epoch is kept",
        "cnn/_training.py",
        "losses[last] < min(losses[:last], default=math.inf)",
        "True",
        "test_cnn_training::test_the_weights_of_the_epoch_with_the_smallest_loss_are_kept",
    ),
    Mutation(
        "patience",
        "cnn/_training.py",
        ">= self.patience",
        "> self.patience",
        "test_cnn_training::test_training_ends_after_as_many_epochs_without_a_smaller_loss_as_patience_says",
    ),
    Mutation("thread policy", "_threads.py", "    if inside_worker():\n        return 1\n", "", "test_threads"),
    Mutation(
        "timed with the cache",
        "evaluation/_fit.py",
        "with bypassed_caches():",
        "if True:",
        "test_evaluation_fits::test_a_prediction_is_timed_with_nothing_from_the_cache",
    ),
    Mutation(
        "smallest subgroup",
        "results/_tables.py",
        "SMALLEST_SUBGROUP = 10",
        "SMALLEST_SUBGROUP = 9",
        "test_evaluation_tables::test_a_subgroup_needs_ten_images_of_each_class",
    ),
    Mutation("shift", "cnn/_augmentation.py", "SHIFT = 0.08", "SHIFT = 0.18", "test_cnn_augmentation"),
    Mutation(
        "leaf of the baseline", "evaluation/_baselines.py", "min_samples_leaf=3", "min_samples_leaf=1", "test_baselines"
    ),
    Mutation(
        "stem before path",
        "datasets/_groups.py",
        "for key in (image, pure.with_suffix",
        "for key in (pure.name, pure.stem, image, pure.with_suffix",
        "test_datasets::test_a_path_in_a_csv_of_groups_is_worth_more_than_a_name",
    ),
    Mutation(
        "no mark",
        "cli/_output.py",
        "' *' if above is False else ''",
        "''",
        "test_cli::test_the_mark_is_on_models_that_are_not_shown_to_be_better",
    ),
]
OWN = [
    Mutation(
        "similarity of copies", "audit/_copies.py", "MIN_SIMILARITY = 0.93", "MIN_SIMILARITY = 0.6", "test_copies"
    ),
    Mutation("distance of copies", "audit/_copies.py", "MAX_DISTANCE = 39", "MAX_DISTANCE = 4", "test_copies"),
    Mutation(
        "constant rows",
        "audit/_content.py",
        "> 0.98)",
        "> 0.2)",
        "test_content::test_rows_of_a_fill_are_filled_throughout",
    ),
    Mutation(
        "range of grey",
        "audit/_content.py",
        "below >= 0.99 * total",
        "below >= 0.6 * total",
        "test_content::test_blank_images_show_nothing "
        "test_content::test_levels_are_those_of_numpy "
        "test_content::test_radiographs_have_no_fill_colour_or_blank",
    ),
    Mutation(
        "mixed groups",
        "audit/_label_findings.py",
        "n_classes > 1",
        "n_classes > 2",
        "test_audit::test_groups_across_a_split_and_of_two_classes",
    ),
    Mutation(
        "balance",
        "audit/_label_findings.py",
        ".pvalue < BALANCE_LEVEL",
        ".pvalue > BALANCE_LEVEL",
        "test_audit::test_parts_of_unlike_balance",
    ),
    Mutation(
        "blank and constant",
        "audit/_files.py",
        "readable & ~blank & (",
        "readable & (",
        "test_content::test_each_fault_is_found_by_class_and_split",
    ),
    Mutation(
        "frame",
        "images/_frame.py",
        "(width - inner[1]) // 2",
        "(width - inner[1]) // 3",
        "test_explain::test_frame_is_where_the_reader_puts_the_image",
    ),
    Mutation(
        "padding",
        "images/_reader.py",
        "(width - inner.shape[1]) // 2",
        "(width - inner.shape[1]) // 3",
        "test_images::test_pad_keeps_proportions_and_stretch_fills",
    ),
    Mutation(
        "polarity",
        "images/_levels.py",
        "image = 255 - image",
        "image = 254 - image",
        "test_tiff::test_every_depth_order_and_layout",
    ),
    Mutation(
        "transparency of 16 bits",
        "images/_png.py",
        "& (1 << header.bits) - 1",
        "& 255",
        "test_png::test_the_transparent_level_is_black test_png::test_the_transparent_colour_is_black_and_no_other",
    ),
    Mutation(
        "MONOCHROME1",
        "images/_dicom_display.py",
        'header.photometric == "MONOCHROME1"',
        'header.photometric == "MONOCHROME2"',
        "test_dicom::test_the_largest_level_is_black_in_monochrome1_alone",
    ),
    Mutation(
        "window",
        "images/_dicom_display.py",
        "(width - 1) + 0.5",
        "width + 0.5",
        "test_dicom::test_window_golden_values",
    ),
    Mutation("EPS of HOG", "features/_hog.py", "EPS = 1e-5", "EPS = 1e-3", "test_hog::test_equals_scikit_image"),
    Mutation(
        "smallest image of LBP",
        "features/_lbp.py",
        "for scale in scales)) + 1",
        "for scale in scales))",
        "test_lbp::test_bad_parameters",
    ),
    Mutation(
        "gain of Sobel",
        "features/_edges.py",
        "SOBEL_GAIN = 8",
        "SOBEL_GAIN = 7",
        "test_edges::test_thresholds_are_grey_levels_per_pixel test_edges::test_equals_plain_numpy_on_opencvs_edges",
    ),
    Mutation(
        "width of Gabor", "features/_gabor.py", "SIGMA = 3 *", "SIGMA = 3.1 *", "test_gabor::test_golden_energies"
    ),
    Mutation("degrees of freedom", "metrics/_limits.py", "KNOWN = 1.5", "KNOWN = 3", "test_jackknife test_intervals"),
    Mutation(
        "separation",
        "metrics/_calibration.py",
        "(lowest[1] >= highest[0])",
        "(lowest[1] > highest[0])",
        "test_scores::test_calibration_in_closed_form",
    ),
    Mutation(
        "effective fraction",
        "metrics/_overlap.py",
        "1 - kept**2",
        "1 - kept",
        "test_jackknife::test_the_test_share_to_reckon_with_follows_overfitting",
    ),
    Mutation("overlap of boxes", "metrics/_boxes.py", "overlap >= OVERLAP", "overlap > OVERLAP", "test_place_metrics"),
    Mutation(
        "point on an edge",
        "metrics/_boxes.py",
        "(p < b[..., 2:])",
        "(p <= b[..., 2:])",
        "test_place_metrics::test_pointing_counts_the_first_pixel_and_not_the_one_behind_the_last",
    ),
    Mutation(
        "slope",
        "results/_findings.py",
        "SMALLEST_SLOPE and high < 1",
        "SMALLEST_SLOPE or high < 1",
        "test_result_findings::test_a_slope_whose_interval_holds_1_is_not_said "
        "test_result_findings::test_a_slope_shown_to_be_below_1_and_above_0_8_is_not_said",
    ),
    Mutation(
        "end of a grid",
        "results/_findings.py",
        "n > len(folds) / 2",
        "n >= len(folds) / 2",
        "test_result_findings::test_the_best_setting_at_the_edge_of_its_grid "
        "test_result_findings::test_a_setting_that_is_no_edge",
    ),
    Mutation(
        "largest group",
        "results/_tables.py",
        "len(result.data.target_names)).argmin()]",
        "len(result.data.target_names)).argmax()]",
        "test_result_findings::test_one_group_that_holds_a_third_of_a_fold",
    ),
    Mutation(
        "bins of calibration",
        "results/_tables.py",
        "n_bins - 1)",
        "n_bins)",
        "test_evaluation_tables::test_a_probability_of_1_is_in_the_last_bin",
    ),
    Mutation(
        "strata of a number",
        "results/_strata.py",
        "N_CLASSES = 5",
        "N_CLASSES = 6",
        "test_strata::test_several_columns_and_size_classes_of_the_inventory",
    ),
    Mutation(
        "pairs within strata",
        "results/_strata.py",
        'transform("nunique") > 1)',
        'transform("nunique") > 0)',
        "test_strata::test_strata_of_one_class_and_of_unknown_images_are_left_out "
        "test_strata::test_too_few_images_have_no_value",
    ),
    Mutation(
        "rule out",
        "model/_decision.py",
        "missed <= (1 - npv) * below",
        "missed < (1 - npv) * below",
        "test_model::TestDecision::test_rule_out",
    ),
    Mutation(
        "version of the format",
        "model/_file.py",
        "number > NUMBER",
        "number >= NUMBER",
        "test_model_file::test_state_arrays_and_manifest_come_back",
    ),
    Mutation(
        "checksum of the cache",
        "cache/_values.py",
        "_check(key, values[-1]) != place.check",
        "False",
        "test_cache::test_what_is_damaged_is_computed_again_and_said",
    ),
    Mutation(
        "double negation",
        "datasets/_labels.py",
        'kinds["negation"] == 1',
        'kinds["negation"] >= 1',
        "test_dataset_labels",
    ),
    Mutation(
        "held-out part",
        "datasets/_split.py",
        '("test", "val")',
        '("val", "test")',
        "test_evaluation_fits::test_the_published_split test_evaluation_fits::test_the_names_of_a_published_split",
    ),
    Mutation(
        "blocks",
        "datasets/_fracatlas.py",
        "BLOCK = 20",
        "BLOCK = 21",
        "test_published_sets::test_fracatlas_whole_in_shape test_datasets",
    ),
    Mutation("components", "_pca.py", "rows.shape[0] - 1", "rows.shape[0]", "test_pca"),
    Mutation(
        "class weights",
        "_xgboost.py",
        "weights * self._class_weights(labels, classes, weights)[codes]",
        "weights",
        "test_xgboost::test_early_stopping_watches_the_right_classes",
    ),
    Mutation(
        "validation part",
        "cnn/_split.py",
        "max(round(fraction * count), 1)",
        "round(fraction * count)",
        "test_cnn::test_too_little_for_a_validation_part test_cnn::test_split_is_stratified_without_groups",
    ),
    Mutation(
        "frequent shortcut",
        "evaluation/_ledger.py",
        "LEAST = 0.55",
        "LEAST = 0.95",
        "test_ledger::test_a_planted_shortcut_comes_first test_ledger::test_areas_are_those_of_a_binary_feature",
    ),
    Mutation(
        "non-inferiority",
        "metrics/_noninferiority.py",
        "1 - 2 * alpha, test",
        "1 - alpha, test",
        "test_noninferiority::test_p_value_and_interval_say_the_same "
        "test_noninferiority::test_difference_and_limits_are_those_of_compare",
    ),
    Mutation(
        "chance of average precision",
        "plotting/_curves.py",
        "shares[1] if",
        "shares[0] if",
        "test_plotting::test_a_subset_has_the_chance_of_its_own_images",
    ),
    Mutation(
        "mark of a heat map",
        "plotting/_tables.py",
        "ax.axhline(n_models - 0.5",
        "ax.axhline(n_models",
        "test_plotting::test_forest_sets_baselines_apart_and_marks_models_not_above_them",
    ),
    Mutation("exit code", "cli/_main.py", "return ExitCode.NOTHING_READABLE", "return ExitCode.USAGE", "test_cli"),
    Mutation("formula", "_text.py", '"-", "@",', '"-",', "test_cli::test_no_cell_of_a_table_is_a_formula"),
    Mutation("small p", "report/_summary.py", "if value < 0.001 else", "if value < 0.01 else", "test_report_summary"),
    Mutation(
        "Holm in a protocol",
        "protocols/_score.py",
        'row["p_holm"] <= SIGNIFICANT',
        'row["p_holm"] <= 1',
        "test_protocols::test_above_is_what_holm_shows",
    ),
    Mutation(
        "a negative slope",
        "serve/_service.py",
        "calibration.slopes[0] < 0",
        "calibration.slopes[0] > 0",
        "test_serve::test_thresholds_lie_on_the_scale_of_the_answer",
    ),
    Mutation(
        "recalibration",
        "evaluation/_recalibration.py",
        'if method == "logistic" else 1.0',
        'if method == "logistic" else 1.1',
        "test_recalibration::test_the_intercept_is_the_most_likely_one "
        "test_recalibration::test_another_share_of_fractures_is_a_shift_by_the_ratio_of_the_odds",
    ),
    Mutation(
        "weighted epochs",
        "cnn/_training.py",
        "weights=weights)),",
        "weights=None)),",
        "test_cnn_training::test_validation_measures_are_those_of_the_validation_part",
    ),
]


def run(root: Path, tests: str) -> bool:
    """Whether the tests pass."""
    files = [
        f"tests/{name}.py{colons}{test}" for name, colons, test in (each.partition("::") for each in tests.split())
    ]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", "--durations=0", *files]
    environment = os.environ | {"PYTHONPATH": str(root)}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"pytest ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 0


def is_caught(root: Path, mutation: Mutation) -> bool:
    """Whether a test fails with it; the source is as before afterwards."""
    path = root / "fracture_features" / mutation.file
    before = path.read_text(encoding="utf-8")
    if before.count(mutation.old) != 1:
        raise SystemExit(f"{mutation.name}: {mutation.old!r} stands {before.count(mutation.old)} times in {path.name}")
    path.write_text(before.replace(mutation.old, mutation.new), encoding="utf-8")
    try:
        return not run(root, mutation.tests)
    finally:
        path.write_text(before, encoding="utf-8")


def main() -> None:
    """Print a line for each mutation, and the count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[], help="names of mutations")
    parser.add_argument("--named", action="store_true", help="those alone that no test caught once")
    options = parser.parse_args()
    chosen = [
        each for each in (NAMED if options.named else NAMED + OWN) if not options.only or each.name in options.only
    ]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "repository")
        shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(".git", ".venv", "_build", "gallery", "__pycache__"))
        if (ROOT.parent / "shared").exists():
            Path(folder, "shared").symlink_to((ROOT.parent / "shared").resolve())
        if not options.only and not run(
            root, " ".join(sorted({name for each in chosen for name in each.tests.split()}))
        ):
            raise SystemExit("the tests fail without a mutation")
        lived = []
        for mutation in chosen:
            start = time.perf_counter()
            caught = is_caught(root, mutation)
            lived += [] if caught else [mutation.name]
            print(
                f"{'caught' if caught else 'LIVES '} {mutation.name} ({time.perf_counter() - start:.0f} s)", flush=True
            )
    print(f"{len(chosen) - len(lived)} of {len(chosen)} caught; {', '.join(lived) or 'none'} lived")


if __name__ == "__main__":
    main()
