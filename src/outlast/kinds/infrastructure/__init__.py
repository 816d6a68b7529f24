"""What deploys, destroys and checks stacks: a run of `tofu` or `terraform`, read as it goes."""
