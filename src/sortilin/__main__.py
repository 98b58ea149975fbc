"""`python -m sortilin`, for launchers that start a module."""

from sortilin.cli.main import main

if __name__ == "__main__":
    main()
