"""Webhooks as they are stored: their addresses and secrets, and the messages that are on their way to them.

    registry     the webhooks of tenants
    recording    whatever ends or pauses jobs leaves messages for them
    deliveries   clients look at deliveries, and have them sent again
    sending      the process `webhooks` claims messages, and marks what came of each
    purging      the sweeper deletes what is past its time
    resealing    a rotation of master keys encrypts secrets anew

Imports `connection`, `bulk` and `tenants`. It reads rows of jobs, and knows no more of them.
"""
