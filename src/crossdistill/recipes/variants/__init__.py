"""From one recipe to the recipes that a study compares: ablations, controls, varied options, the paper's tables."""
