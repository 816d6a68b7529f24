"""How a blueprint's question is answered: what is found, what is asked, what comes of it."""
