"""The OpenAPI document. It lies on top, because it reads both APIs; views describe themselves by `app.http.describe`.

docs          the documents, and pages to read them
apis, faces   the two APIs, and the part of the document that is one's
operations    an operation: parameters, body and answers
refusals      its error answers
links         its links to calls about what it makes
items         the shapes of items, from the marshmallow schemas that check them
examples      an example of each body and answer
codes         every error code: meaning, cause and remedy
error_pages   the pages of the codes
"""
