-- What a key may do, from where, and how often; keys of before may do all, from everywhere. Existing rows are not rewritten,
-- since the default is a constant. `addresses` and `requests_per_minute`: null says that there is no limit.
ALTER TABLE api_keys
    ADD scopes text[] NOT NULL DEFAULT '{read,write,admin}'
        CONSTRAINT api_keys_scopes_check CHECK (scopes <@ '{read,write,admin}' AND cardinality(scopes) > 0),
    ADD addresses cidr[] CONSTRAINT api_keys_addresses_check CHECK (cardinality(addresses) > 0),
    ADD requests_per_minute integer
        CONSTRAINT api_keys_requests_per_minute_check CHECK (requests_per_minute > 0);
