"""`python -m firebit` is `firebit`."""

from firebit.cli import main

main()
