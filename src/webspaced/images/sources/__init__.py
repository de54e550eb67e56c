"""Where images come from: the releases of repositories (`api`, with `requests` beneath), and folders (`tree`)."""
