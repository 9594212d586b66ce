"""The launcher behind `make up`. Never imports Django: it must stay small and alive whatever happens to the rest."""
