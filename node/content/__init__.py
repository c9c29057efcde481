"""What items mean: hash kinds, values as their readers write them, items packed into records; profiles. Pure."""
