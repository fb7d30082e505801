"""
A local stand-in for the Conversations and Responses APIs of Yandex AI Studio.

It shares no code with the rest of the package: a mistake made on both ends would be invisible to every test. It needs
the extra ``emulator`` (Starlette and uvicorn).
"""
