-- Times in a row that Sluice itself could not send the message, such as without the master key that its secret needs. They
-- count as no tries: nothing was sent. Existing rows are not rewritten, since the default is a constant.
ALTER TABLE webhook_deliveries ADD faults integer NOT NULL DEFAULT 0;
