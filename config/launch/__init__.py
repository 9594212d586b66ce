"""Launcher behind `make up`. It never imports Django: it must stay small and survive any failure of the rest."""
