-- A block draws one id, and has the 8,191 after it to itself: to draw each of 5,000 took the server 2 ms. 2^63 of them
-- last for 10^15 blocks. Never make this smaller: the rest of the last range would be drawn once more.
ALTER SEQUENCE events_id_seq INCREMENT BY 8192;
