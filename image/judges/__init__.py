"""Who judges pictures: features, classifiers and scorers that were trained apart."""
