"""Codes of findings: what each is, what it does to a result, what to do, and how it is found."""

from __future__ import annotations

from typing import Literal, NamedTuple

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")  # worst first


class Code(NamedTuple):
    """One kind of finding.

    Parameters
    ----------
    title : str
        What was found, in a few words that a number follows: "files are cut short: 3".
    severity : {"error", "warning", "note"}
        An error makes results look better than they are, or training wrong; a note is worth a look.
    effect : str
        What it does to a result.
    advice : str
        What to do.
    method : str
        How it is found, with the limits.
    inflates : bool
        True if it makes a result look better than it is; the command then exits with 1.

    See Also
    --------
    Finding : What was found, by its code.

    Examples
    --------
    >>> from fracture_features.audit import CODES
    >>> CODES["FF201"].severity, CODES["FF201"].inflates
    ('error', True)
    """

    title: str
    severity: Severity
    effect: str
    advice: str
    method: str
    inflates: bool = False


KEEP_TOGETHER = "keep copies together: give `report.groups` to evaluate, or leave these out of the test part"
NEAR = (
    "two images are candidates if their perceptual hashes differ in at most 39 of 256 bits, and in at most 36 on "
    "average over the images and two crops of both, or if the hash of one differs in at most 23 bits from that of a "
    "crop of the other. They are copies if, laid over each other, they reach a `similarity` of 0.93, in one of 8 flips "
    "and quarter turns. Where file names suggest a copy, any angle is tried. Missed are crops that take more from one "
    "side than from the other, and rotations by half a degree"
)

CODES: dict[str, Code] = {
    # Files
    "FF101": Code(
        "files are cut short",
        "error",
        "decoders fill what is missing with grey, which a model learns where one class has more of them",
        "copy them again from their source; until then they are left out",
        "the structure of the file ends before its image does. It is read before anything is decoded",
    ),
    "FF102": Code(
        "files cannot be read",
        "warning",
        "they are left out; where one class has more of them, its rest is a selection",
        "see the reasons; convert or remove them",
        "every file is opened and decoded once, and this ends in an error. Files that are cut short (FF101) or hold "
        "several images (FF107) are counted there",
    ),
    "FF103": Code(
        "files have the ending of another format",
        "note",
        "other programs may refuse or skip them; this library reads by content",
        "rename them",
        "the ending is that of an image format, and the first bytes of the file are those of another. No ending, and "
        "one that belongs to no image format, are not counted",
    ),
    "FF104": Code(
        "images are constant grey over half their area, or from some row to the bottom",
        "warning",
        "they may have been cut short before they were saved again, which a model learns where one class has more",
        "look at them; leave out what shows no whole radiograph",
        "one level from 80 to 200, give or take 1, fills a connected region of at least 50 % of the image, or its last "
        "rows, at least 10 % of the height",
    ),
    "FF105": Code(
        "images are blank",
        "error",
        "they have a label, and show nothing that it could be learnt from",
        "leave them out",
        "the 1st and the 99th percentile of the grey levels are less than 8 levels apart",
    ),
    "FF106": Code(
        "images are in colour and may be photographs or screenshots",
        "warning",
        "a model can tell photographs from radiographs without seeing a fracture",
        "look at them; leave out what is no radiograph",
        "in at least 2 % of the pixels the largest of red, green and blue is more than 24 levels above the smallest",
    ),
    "FF107": Code(
        "files hold several images",
        "warning",
        "they are left out: nobody knows which of the images the label is of",
        "save the image that is meant as a file of its own",
        "the file has more than one frame or page",
    ),
    # Copies
    "FF201": Code(
        "test files are copies, byte for byte, of training files",
        "error",
        "the model has seen the answer: scores on the published split say nothing of new patients",
        KEEP_TOGETHER,
        "the SHA-256 of the files is the same. An image is counted once, under its closest copy",
        inflates=True,
    ),
    "FF202": Code(
        "test images have the same pixels as a training image, saved anew",
        "error",
        "the model has seen the answer",
        KEEP_TOGETHER,
        "images with the same perceptual hash are decoded, and every pixel is the same",
        inflates=True,
    ),
    "FF203": Code(
        "test images are near copies of a training image: turned, resized, recompressed or brightened",
        "error",
        "the model has all but seen the answer",
        KEEP_TOGETHER,
        NEAR,
        inflates=True,
    ),
    "FF204": Code(
        "images have an identical copy, and no group keeps the two together",
        "error",
        "folds put one copy into the training and the other into the test part",
        "give `report.groups` to evaluate, or use `report.clean()`",
        "the SHA-256 or every pixel is the same, and the two are of different groups. Groups are those given, or else "
        "PatientID or StudyInstanceUID of DICOM headers; without any, every copy counts",
        inflates=True,
    ),
    "FF205": Code(
        "images have a near copy, and no group keeps the two together",
        "error",
        "folds put one copy into the training and the other into the test part",
        "give `report.groups` to evaluate",
        NEAR,
        inflates=True,
    ),
    "FF206": Code(
        "copies stand within one group or one part of the split",
        "note",
        "they count twice; no test part is concerned",
        "`report.clean()` keeps one of each",
        "as FF201 to FF205, of images that none of these codes counts",
    ),
    "FF207": Code(
        "files have names that tell of copies, such as -rotated1 or (1)",
        "note",
        "files of one name may show one picture; names are evidence, no proof",
        "look at the pairs; if they are copies, give their common name as groups, by a regular expression",
        "names of files of one class are the same without what programs append (`(1)`, `- Copy`, `_flip`, `-rotated1`, "
        "`.rf.` and digits), and their pixels do not show that all of them are copies",
    ),
    # Labels
    "FF301": Code(
        "images show the same picture as one of another class",
        "error",
        "one of the labels is wrong: the model is trained on both, and one of them is counted as an error",
        "look at the pairs and mend the label, or leave them out with `report.clean()`",
        "copies, found as for FF201 to FF203, have different labels",
    ),
    "FF302": Code(
        "groups have images of several classes",
        "note",
        "right where a patient has healthy views or joints as well, wrong where a label is meant for the patient",
        "look at some; score patients with `result.by_study()`",
        "images of one group have different labels; the number is that of groups",
    ),
    "FF303": Code(
        "images are labelled differently by folder, table or boxes",
        "error",
        "one of the sources is wrong",
        "look at the images and mend the source",
        "the label is compared with a folder named like a class, with a column `fractured`, `fracture_count` or "
        "`n_fractures`, and with boxes, where it is known whether an image has some",
    ),
    # Splits
    "FF401": Code(
        "patients or groups stand on both sides of the data's own split",
        "error",
        "a model that knows the patient need not see the fracture",
        "divide by patient: evaluate with `cv=5` and groups",
        "a group has images in the test part and outside it; the number is that of groups",
        inflates=True,
    ),
    "FF402": Code(
        "images have no group",
        "warning",
        "images of one patient may stand on both sides of a split, which flatters every model",
        "say whose image it is with `groups=`: a column, a csv or a regular expression on the path",
        "no groups are given, and not every image has a PatientID or StudyInstanceUID in a DICOM header",
    ),
    "FF403": Code(
        "parts of the data's own split differ in how frequent the classes are",
        "warning",
        "accuracy, PPV and NPV of the test part do not carry over",
        "compare sensitivity, specificity and ROC AUC, or divide anew",
        "the share of a class differs by at least 0.1 between the test part and the rest, and a chi-squared test gives "
        "a p-value below 0.01",
    ),
    # Shortcuts
    "FF501": Code(
        "shortcuts tell the classes apart without a fracture",
        "error",
        "a model may learn how, where or of what an image was taken, and fail elsewhere",
        "compare models within strata, against the baselines, and on images of another source",
        "of each family of features that cannot show a fracture, small boosted trees are cross-validated alone; groups "
        "stay together. A family is a shortcut if its ROC AUC is at least 0.55 and above 0.5 with a p-value of at most "
        "0.025, corrected for all families (Holm)",
        inflates=True,
    ),
    # Results
    "FF601": Code(
        "models differ between folds by more than chance allows",
        "warning",
        "the mean hides that a model is much worse on some patients than on others",
        "see the table of folds; look for a site, a device or a body part that one fold has most of",
        "Welch's test of the ROC AUC of a model's folds, with variances by leaving out groups, gives a p-value of at "
        "most 0.05, corrected for all models (Holm)",
    ),
    "FF602": Code(
        "models are not shown to be better than the metadata without a pixel",
        "warning",
        "they may have learnt how, where or of what a radiograph was taken",
        "see `result.comparison('metadata only')`, and `result.strata` for what is left within body part or size",
        "the paired difference in ROC AUC from the metadata is not above 0, or its p-value is above 0.05, corrected "
        "for all models (Holm)",
    ),
    "FF603": Code(
        "models have a calibration slope below 0.8",
        "warning",
        "their probabilities are too extreme: of images with a probability of 90 %, fewer are fractured",
        "evaluate with `calibrate=True`",
        "the calibration slope is below 0.8, and its 95 % interval lies below 1",
    ),
    "FF604": Code(
        "searches chose the end of what they were given to try",
        "note",
        "a better setting may lie beyond",
        "widen the grid",
        "in more than half of the folds a parameter with at least 3 values was set to the smallest or the largest, "
        "which scored higher than all between",
    ),
    "FF605": Code(
        "models have a threshold that moves between folds",
        "warning",
        "the sensitivity that is asked for is not kept on other patients",
        "calibrate, or choose the operating point on more images",
        "sensitivity or specificity differs by at least 0.1 between folds, and Welch's test of their difference gives "
        "a p-value of at most 0.05, corrected for all models (Holm)",
    ),
    "FF606": Code(
        "folds have a third or more of their rarer class from one group",
        "warning",
        "one patient or site decides what the fold says",
        "split the group further where it is not one patient; report `largest_group`, in the table of folds",
        "of the images of the class that is rarer in the test part, one group has at least a third",
    ),
    "FF607": Code(
        "models score far higher on the images they were fitted on",
        "note",
        "they know their training images by heart; more images or a simpler model may help",
        "see `FoldResult.train_scores`",
        "the mean ROC AUC on training images is at least 0.2 above that on test images",
    ),
    "FF608": Code(
        "models weight classes, and their probabilities are of balanced classes",
        "note",
        "probability, Brier score and decision curves are not those of this prevalence",
        "evaluate with `calibrate=True`",
        "the model weights classes, and the mean probability of a class differs from its share by at least 0.05",
    ),
}
