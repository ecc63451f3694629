"""The playground: a page of plain HTML, CSS and ES modules, served by the gateway as it lies here."""
