"""A web page and an HTTP API that name faces; requests of many users share forward passes."""
