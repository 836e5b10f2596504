"""What is wrong, by class: each module gives diagnoses from a `Case` and reads nothing that a reader has not."""
