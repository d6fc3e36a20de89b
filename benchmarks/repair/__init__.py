"""`recog bench repair`: what damage costs recognition, and how much of that repair gives back."""
