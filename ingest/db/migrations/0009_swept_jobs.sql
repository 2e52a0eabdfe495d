-- True where the sweeper carried the job out because no worker came: `sluice doctor` asks why.
ALTER TABLE jobs ADD COLUMN swept boolean NOT NULL DEFAULT false;
