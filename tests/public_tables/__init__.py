"""Tables that packages ship, from the file to scores, by the commands of a shell, beside scikit-learn."""
