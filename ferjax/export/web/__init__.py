"""The page of a browser bundle (HTML, CSS, JavaScript), and the runtime that npm fetches for it."""
