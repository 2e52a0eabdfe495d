"""The OpenAPI document. It lies on top, because it reads both APIs; views describe themselves by `app.http.describe`.

docs       the document, and pages to read it
examples   an example of each body and answer
"""
