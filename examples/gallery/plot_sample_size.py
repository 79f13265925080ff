r"""
How many patients does a study need?
====================================

`plan_sample_size` says it for a sensitivity, a specificity or a ROC AUC that is to be known to a given width.
"""

import matplotlib.pyplot as plt

from fracture_features.metrics import plan_sample_size

# %%
# A ROC AUC of 0.85, known to ± 0.05, where a fifth of the patients have a fracture and each has two images.

plan_sample_size(value=0.85, half_width=0.05, prevalence=0.2, images_per_patient=2, intraclass_correlation=0.6)

# %%

widths = [0.02, 0.03, 0.04, 0.05, 0.07, 0.1]
figure, ax = plt.subplots(figsize=(5.5, 4), layout="constrained")
for prevalence in (0.1, 0.2, 0.5):
    sizes = [plan_sample_size(value=0.85, half_width=width, prevalence=prevalence).n_patients for width in widths]
    ax.plot(widths, sizes, marker="o", label=f"{prevalence:.0%} fractured")
ax.set(xlabel="half the width of the 95 % interval", ylabel="patients", yscale="log")
ax.legend(frameon=False)
