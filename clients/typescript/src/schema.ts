// Made by make-schema.js of the server's OpenAPI document: after a change there, `make client-types`.
export interface components {
    schemas: {
        AcceptedBatch: {
            /** @description of ?callback=: what signs its messages; it is shown this once */
            callbackSecret?: string;
            errors: components["schemas"]["ItemErrors"];
            failed: number;
            jobId: string;
            progress: components["schemas"]["Progress"];
            status: components["schemas"]["JobState"];
            succeeded: number;
        };
        AcceptedObjectBatch: {
            data: components["schemas"]["AcceptedBatch"];
            /** @constant */
            success: true;
        };
        AuditEntries: components["schemas"]["AuditEntry"][];
        AuditEntry: {
            /** @enum {string} */
            action: "tenant.created" | "tenant.changed" | "tenant.suspended" | "tenant.resumed" | "key.created" | "key.changed" | "key.rotated" | "key.revoked" | "settings.changed" | "template.stored" | "reader.added" | "reader.removed" | "webhook.created" | "webhook.changed" | "webhook.rotated" | "webhook.deleted" | "webhook.tested" | "webhook.replayed" | "job.items_read" | "person.read" | "person.exported" | "person.erased" | "master_key.rotation_begun" | "master_key.rotation_ended";
            actor: {
                /** @description of the key, or the name of the user who ran the command */
                id: string;
                /** @enum {string} */
                kind: "key" | "command";
                /** @description of the key, or the command */
                label: string;
            };
            /** Format: date-time */
            at: string;
            details: {
                [key: string]: unknown;
            };
            id: number;
            object: {
                id: string;
                /** @enum {string} */
                kind: "tenant" | "key" | "settings" | "template" | "reader" | "webhook" | "job" | "person" | "master_key";
            };
            requestId: string | null;
        };
        Capabilities: {
            contentCodings: string[];
            contentDigests: string[];
            formats: {
                contentTypes: string[];
                form: string;
            }[];
            kinds: string[];
            limits: {
                [key: string]: number | Record<string, never>;
            };
            modes: string[];
            parameters: {
                description: string;
                kinds: string[];
                name: string;
                schema: {
                    [key: string]: unknown;
                };
            }[];
            preferences: {
                handling: string[];
                wait: number;
            };
            rates: {
                [key: string]: string;
            };
            uploads: {
                contentCodings: string[];
                contentTypes: string[];
                kinds: string[];
            };
            webhooks: {
                available: boolean;
                events: string[];
                privateAddresses: boolean;
            };
        };
        CheckForm: {
            schema?: components["schemas"]["TemplateSchemaForm"];
        };
        CompletedUploadForm: {
            parts: number;
        };
        CreatedUpload: {
            /** @description of ?callback=: what signs its messages; it is shown this once */
            callbackSecret?: string;
            /** Format: date-time */
            expiresAt: string;
            partMaxBytes: number;
            uploadId: string;
        };
        DeletedEntity: {
            /** @constant */
            deleted: true;
            /** @description Any text but "." and ".." */
            externalId: string;
        };
        DeletedUpload: {
            /** @constant */
            deleted: true;
            uploadId: string;
        };
        DeletedWebhook: {
            /** @constant */
            deleted: true;
            id: string;
        };
        Deliveries: components["schemas"]["Delivery"][];
        Delivery: {
            attempts: {
                attempt: number;
                /** @description null where it succeeded, or is under way */
                error: string | null;
                milliseconds: number | null;
                /** Format: date-time */
                startedAt: string;
                /** @description of HTTP; null where there was no answer */
                status: number | null;
            }[];
            /** @description what the header webhook-id of each try holds */
            id: string;
            /** @description null for a test */
            jobId: string | null;
            /**
             * Format: date-time
             * @description null once it is delivered or given up
             */
            nextTryAt: string | null;
            /** Format: date-time */
            occurredAt: string;
            /** @enum {string} */
            status: "pending" | "delivered" | "failed";
            /** @enum {string} */
            type: "job.completed" | "job.failed" | "job.cancelled" | "job.paused" | "webhook.test";
        };
        Detail: {
            detail: string;
        };
        Document: {
            [key: string]: unknown;
        };
        DuplicateEvent: {
            /** @constant */
            action: "duplicate";
            id: string;
            warnings?: components["schemas"]["Warnings"];
        };
        EndedBatch: {
            /** @description of ?callback=: what signs its messages; it is shown this once */
            callbackSecret?: string;
            error?: {
                /** @description [`TOO_MANY_ERRORS`](/docs/errors/TOO_MANY_ERRORS), [`DEADLINE_EXCEEDED`](/docs/errors/DEADLINE_EXCEEDED), [`ATOMIC_ABORTED`](/docs/errors/ATOMIC_ABORTED), [`PREDECESSOR_FAILED`](/docs/errors/PREDECESSOR_FAILED), [`JOB_UNRUNNABLE`](/docs/errors/JOB_UNRUNNABLE), [`JOB_DEADLINE`](/docs/errors/JOB_DEADLINE) */
                code: string;
                message: string;
            } | null;
            errors: components["schemas"]["ItemErrors"];
            failed: number;
            jobId: string;
            progress: components["schemas"]["Progress"];
            status: components["schemas"]["JobState"];
            succeeded: number;
            warnings?: components["schemas"]["Warnings"];
        };
        EndedObjectBatch: {
            data: components["schemas"]["EndedBatch"];
            /** @constant */
            success: true;
        };
        Entity: {
            data: {
                [key: string]: unknown;
            };
            entityType: string;
            /** @description Any text but "." and ".." */
            externalId: string;
        };
        EntityBatch: components["schemas"]["Entity"][];
        ErrorGroups: {
            /** @enum {string} */
            code: "VALIDATION_FAILED" | "INVALID_JSON" | "UNKNOWN_FIELD" | "ITEM_TOO_LARGE" | "NOT_FOUND" | "TOO_LARGE" | "WRITE_FAILED" | "SECRET_UNREADABLE";
            count: number;
            /** @description `*` in the place of an index of an array */
            field: string | null;
            /** @description `…` in the place of what differs from item to item */
            message: string;
            ranges: number[][];
            sample: components["schemas"]["ItemError"];
        }[];
        ErrorLines: string;
        ErrorRows: string;
        Event: {
            data: {
                [key: string]: unknown;
            };
            eventId?: string | null;
            eventType: string;
            timestamp?: string | null;
        };
        EventBatch: {
            data: {
                [key: string]: unknown;
            };
            eventId?: string | null;
            eventType: string;
            /** @description Any text but "." and ".." */
            externalId: string;
            timestamp?: string | null;
        }[];
        ExampleCsv: string;
        ExampleLines: string;
        Failure: {
            error: {
                /** @description [an error code](/docs/errors) */
                code: string;
                /** @description the path of the code's page on this server */
                docs?: string;
                message: string;
                /** Format: date-time */
                resetAt?: string;
            };
            /** Format: date-time */
            resetAt?: string;
            /** @constant */
            success: false;
        };
        FaultyBody: {
            detail: {
                loc: (string | number)[];
                msg: string;
                type: string;
            }[];
        };
        Health: {
            /** @constant */
            status: "ok";
        };
        ItemError: {
            /**
             * @description [`VALIDATION_FAILED`](/docs/errors/VALIDATION_FAILED), [`INVALID_JSON`](/docs/errors/INVALID_JSON), [`UNKNOWN_FIELD`](/docs/errors/UNKNOWN_FIELD), [`ITEM_TOO_LARGE`](/docs/errors/ITEM_TOO_LARGE), [`NOT_FOUND`](/docs/errors/NOT_FOUND), [`TOO_LARGE`](/docs/errors/TOO_LARGE), [`WRITE_FAILED`](/docs/errors/WRITE_FAILED), [`SECRET_UNREADABLE`](/docs/errors/SECRET_UNREADABLE)
             * @enum {string}
             */
            code: "VALIDATION_FAILED" | "INVALID_JSON" | "UNKNOWN_FIELD" | "ITEM_TOO_LARGE" | "NOT_FOUND" | "TOO_LARGE" | "WRITE_FAILED" | "SECRET_UNREADABLE";
            externalId: string | null;
            /** @description a JSON Pointer (RFC 6901) into the item, to its first fault */
            field: string | null;
            index: number;
            /** @description as it was sent, if ?items=true; a text where it was no JSON, null if it is not kept */
            item?: unknown;
            /** @description of the item in a body of lines, from 1; null for arrays */
            line: number | null;
            message: string;
            /** @description the same item may be taken later: true for NOT_FOUND alone */
            retryable: boolean;
        };
        ItemErrors: components["schemas"]["ItemError"][];
        /** @description ErrorGroups if ?group=true */
        ItemErrorsOrGroups: components["schemas"]["ItemErrors"] | components["schemas"]["ErrorGroups"];
        ItemResults: {
            /** @enum {string} */
            effect: "created" | "updated" | "unchanged" | "duplicate";
            /** @description null for states, and where nothing was written */
            id: string | null;
            index: number;
            line: number | null;
        }[];
        /** @description a JSON Schema, draft 2020-12 */
        ItemSchema: {
            [key: string]: unknown;
        };
        ItemWarning: {
            /**
             * @description [`UNKNOWN_FIELD`](/docs/errors/UNKNOWN_FIELD), [`PAST_RETENTION`](/docs/errors/PAST_RETENTION)
             * @enum {string}
             */
            code: "UNKNOWN_FIELD" | "PAST_RETENTION";
            /** @description a JSON Pointer (RFC 6901) into the item */
            field: string | null;
            index: number;
            line: number | null;
            message: string;
        };
        ItemWarnings: components["schemas"]["ItemWarning"][];
        Job: {
            atomic: boolean;
            attempts: number;
            /** @description the earliest job that it waits for */
            blocked_by: string | null;
            /** Format: date-time */
            completed_at: string | null;
            /** Format: date-time */
            created_at: string;
            /**
             * Format: date-time
             * @description not ended by then, it fails
             */
            deadline_at: string | null;
            effects: {
                created: number;
                duplicate: number;
                failed: number;
                unchanged: number;
                unprocessed: number;
                updated: number;
            };
            error: {
                /** @description [`TOO_MANY_ERRORS`](/docs/errors/TOO_MANY_ERRORS), [`DEADLINE_EXCEEDED`](/docs/errors/DEADLINE_EXCEEDED), [`ATOMIC_ABORTED`](/docs/errors/ATOMIC_ABORTED), [`PREDECESSOR_FAILED`](/docs/errors/PREDECESSOR_FAILED), [`JOB_UNRUNNABLE`](/docs/errors/JOB_UNRUNNABLE), [`JOB_DEADLINE`](/docs/errors/JOB_DEADLINE) */
                code: string;
                message: string;
            } | null;
            errors_truncated: boolean;
            /** @description until its end; before it has begun, an estimate, which changes as the queue does */
            eta_seconds: number | null;
            /** @description of a job whose items were sent again: what became of each in the end */
            family: {
                effects: {
                    created: number;
                    duplicate: number;
                    failed: number;
                    unchanged: number;
                    unprocessed: number;
                    updated: number;
                };
                total: number;
            } | null;
            /** @description from created_at to its end */
            finished_in_seconds: number | null;
            id: string;
            /** @description the client's own name for the job */
            label: string | null;
            links: {
                errors: string;
                results?: string;
                self: string;
                timeline: string;
                warnings: string;
            };
            ordered: boolean;
            output: {
                errors: components["schemas"]["ItemErrors"];
                failed: number;
                succeeded: number;
            };
            /** @description the job of which it sends items again */
            parent_job_id: string | null;
            processed: number;
            progress: components["schemas"]["Progress"];
            /** @description items of this and other tenants' jobs that will be run before it, at least: an estimate, which changes as the queue does; null once it has begun */
            queue_ahead: number | null;
            /** @description items a second */
            rate: number | null;
            /** @description the jobs that sent items of it again */
            retried_by: string[];
            /** Format: date-time */
            started_at: string | null;
            status: components["schemas"]["JobState"];
            total: number;
            /** @enum {string} */
            type: "batch_ingest_entities" | "batch_ingest_events" | "batch_ingest_states" | "batch_ingest_objects" | "batch_ingest_object_events" | "template_check";
            /** @description its effects are predicted, and nothing is written */
            validate_only: boolean;
            warnings: components["schemas"]["Warnings"];
        };
        /** @description text/event-stream, of which each event has a JobRow as its data */
        JobEvents: string;
        JobItem: {
            /**
             * @description null if it is not kept
             * @enum {unknown}
             */
            effect: "created" | "updated" | "unchanged" | "duplicate" | "failed" | "unprocessed" | null;
            error: components["schemas"]["ItemError"] | null;
            /** @description of what was written, if the job keeps results */
            id: string | null;
            index: number;
            line: number | null;
            warnings: components["schemas"]["ItemWarnings"];
        };
        JobLabel: {
            label: string | null;
        };
        JobList: components["schemas"]["JobRow"][];
        JobRow: {
            atomic: boolean;
            attempts: number;
            /** @description the earliest job that it waits for */
            blocked_by: string | null;
            /** Format: date-time */
            completed_at: string | null;
            /** Format: date-time */
            created_at: string;
            /**
             * Format: date-time
             * @description not ended by then, it fails
             */
            deadline_at: string | null;
            effects: {
                created: number;
                duplicate: number;
                failed: number;
                unchanged: number;
                unprocessed: number;
                updated: number;
            };
            error: {
                /** @description [`TOO_MANY_ERRORS`](/docs/errors/TOO_MANY_ERRORS), [`DEADLINE_EXCEEDED`](/docs/errors/DEADLINE_EXCEEDED), [`ATOMIC_ABORTED`](/docs/errors/ATOMIC_ABORTED), [`PREDECESSOR_FAILED`](/docs/errors/PREDECESSOR_FAILED), [`JOB_UNRUNNABLE`](/docs/errors/JOB_UNRUNNABLE), [`JOB_DEADLINE`](/docs/errors/JOB_DEADLINE) */
                code: string;
                message: string;
            } | null;
            /** @description until its end; before it has begun, an estimate, which changes as the queue does */
            eta_seconds: number | null;
            /** @description from created_at to its end */
            finished_in_seconds: number | null;
            id: string;
            /** @description the client's own name for the job */
            label: string | null;
            links: {
                errors: string;
                results?: string;
                self: string;
                timeline: string;
                warnings: string;
            };
            ordered: boolean;
            output: {
                failed: number;
                succeeded: number;
            };
            /** @description the job of which it sends items again */
            parent_job_id: string | null;
            processed: number;
            progress: components["schemas"]["Progress"];
            /** @description items of this and other tenants' jobs that will be run before it, at least: an estimate, which changes as the queue does; null once it has begun */
            queue_ahead: number | null;
            /** @description items a second */
            rate: number | null;
            /** @description the jobs that sent items of it again */
            retried_by: string[];
            /** Format: date-time */
            started_at: string | null;
            status: components["schemas"]["JobState"];
            total: number;
            /** @enum {string} */
            type: "batch_ingest_entities" | "batch_ingest_events" | "batch_ingest_states" | "batch_ingest_objects" | "batch_ingest_object_events" | "template_check";
            /** @description its effects are predicted, and nothing is written */
            validate_only: boolean;
            warnings: {
                count: number;
            };
        };
        /** @enum {string} */
        JobState: "pending" | "processing" | "paused" | "completed" | "failed" | "cancelled";
        Key: {
            /** @description the networks that it may be used from; null: all */
            addresses: string[] | null;
            /** Format: date-time */
            createdAt: string;
            /**
             * Format: date-time
             * @description null: it never expires
             */
            expiresAt: string | null;
            id: string;
            keyHash: string;
            label: string;
            /** Format: date-time */
            lastUsedAt: string | null;
            operatorId: string;
            /** @description its own limit; null: it has none */
            requestsPerMinute: number | null;
            revoked: boolean;
            scopes: ("read" | "write" | "admin")[];
        };
        KeyChangesForm: {
            addresses?: string[] | null;
            /** Format: date-time */
            expiresAt?: string | null;
            /** Format: uuid */
            id: string;
            label?: string;
            requestsPerMinute?: number | null;
            scopes?: ("read" | "write" | "admin")[];
        };
        KeyHealth: {
            api_key_name: string;
            /** Format: uuid */
            dataset_id: string;
            dataset_name: string;
            /** @constant */
            status: "healthy";
            /** Format: uuid */
            workspace_id: string;
            workspace_name: string;
        };
        Keys: components["schemas"]["Key"][];
        LinkedObject: {
            /** @description Any text but "." and ".." */
            id: string;
            properties?: {
                [key: string]: unknown;
            } | null;
            qualifier?: string | null;
            /** @description Any text but "." and ".." */
            type: string;
        };
        NewKey: {
            /** @description the networks that it may be used from; null: all */
            addresses: string[] | null;
            /** Format: date-time */
            createdAt: string;
            /**
             * Format: date-time
             * @description null: it never expires
             */
            expiresAt: string | null;
            id: string;
            key: string;
            label: string;
            /** @description its own limit; null: it has none */
            requestsPerMinute: number | null;
            scopes: ("read" | "write" | "admin")[];
        };
        NewKeyForm: {
            addresses?: string[] | null;
            /** Format: date-time */
            expiresAt?: string | null;
            label: string;
            /** Format: uuid */
            operatorId?: string;
            requestsPerMinute?: number | null;
            scopes?: ("read" | "write" | "admin")[];
        };
        NewUpload: {
            /** @description a job that must complete before this one begins, as in job_… */
            after?: string;
            /**
             * @description true: this one begins whatever became of that job; false: it fails unless that completed
             * @default false
             */
            afterAny?: boolean;
            /**
             * @description true: all items are written, in one transaction, or none
             * @default false
             */
            atomic?: boolean;
            /** @description a URL that is told of the job's end, as a webhook is; the answer has its callbackSecret, this once */
            callback?: string;
            /** @enum {string} */
            contentEncoding?: "identity" | "gzip" | "zstd";
            /** @enum {string} */
            contentType: "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" | "text/csv";
            /** @description if the job has not ended after so many seconds, it fails */
            deadline?: number;
            /**
             * @description CSV: what is between cells: one character, or `tab`
             * @default ,
             */
            delimiter?: string;
            /**
             * @description CSV: what an empty cell means: that the member is absent, null, or a text without characters
             * @default absent
             * @enum {string}
             */
            empty?: "absent" | "null" | "string";
            /** @description CSV: the entityType of all rows, which then have no such column */
            entityType?: string;
            /** @description CSV: the eventType of all rows, which then have no such column */
            eventType?: string;
            /**
             * @description true: index, effect and id of each item can be read from the job afterwards
             * @default false
             */
            keepResults?: boolean;
            /** @enum {string} */
            kind: "entities" | "events" | "states";
            /** @description your own name for the job, which it shows */
            label?: string;
            /** @description if more items fail, so does the job; looked at after each block */
            maxErrors?: number;
            /**
             * @description what to do with `data` that is there
             * @default replace
             * @enum {string}
             */
            mode?: "replace" | "merge";
            /**
             * @description true: after the tenant's earlier jobs, items in their order; false: at once, in any order
             * @default true
             */
            ordered?: boolean;
            /** @description CSV: the stateKey of all rows, which then have no such column */
            stateKey?: string;
            /**
             * @description true: items are checked and their effects predicted; nothing is written
             * @default false
             */
            validateOnly?: boolean;
        };
        NewWebhook: {
            /** Format: date-time */
            createdAt: string;
            description: string | null;
            /** Format: date-time */
            disabledAt: string | null;
            disabledReason: ("CLIENT" | "GONE" | "TRIES_EXHAUSTED") | null;
            enabled: boolean;
            events: ("job.completed" | "job.failed" | "job.cancelled" | "job.paused")[];
            /**
             * Format: date-time
             * @description until then the former secret signs too
             */
            formerSecretUntil: string | null;
            id: string;
            /** @description of the job whose callback it is */
            jobId: string | null;
            /** Format: date-time */
            lastDeliveredAt: string | null;
            /** @description whsec_…; it is shown this once */
            secret: string;
            /** Format: date-time */
            updatedAt: string;
            url: string;
        };
        NewWebhookForm: {
            description?: string | null;
            events?: ("job.completed" | "job.failed" | "job.cancelled" | "job.paused")[];
            url: string;
        };
        Object: {
            /** @description Any text but "." and ".." */
            id: string;
            properties?: {
                [key: string]: unknown;
            } | null;
            /** @description Any text but "." and ".." */
            type: string;
        };
        ObjectBatch: {
            objects: components["schemas"]["Object"][];
        };
        ObjectEvent: {
            event: string;
            event_id?: string | null;
            objects: components["schemas"]["LinkedObject"][];
            properties?: {
                [key: string]: unknown;
            } | null;
            timestamp?: string | null;
        };
        ObjectEventBatch: {
            events: components["schemas"]["ObjectEvent"][];
        };
        PolicyForm: {
            entity_events: components["schemas"]["SpanForm"];
            entity_states: components["schemas"]["SpanForm"];
        };
        Progress: number;
        Readiness: {
            checks: {
                [key: string]: string;
            };
            /** @enum {string} */
            status: "ok" | "unready";
        };
        RecordedEvent: {
            /** Format: uuid */
            event_id: string;
            event_type: string;
            message: string;
            objects_count: number;
            /** @constant */
            success: true;
            /** Format: date-time */
            timestamp: string;
            warnings?: components["schemas"]["Warnings"];
        };
        RecordedEvents: {
            errors: string[];
            event_ids: string[];
            failed: number;
            processed: number;
            success: boolean;
            warnings?: components["schemas"]["Warnings"];
        };
        /** @description RecordedEvents for a list; EndedObjectBatch for lines whose job ended in time */
        RecordedOrEnded: components["schemas"]["RecordedEvents"] | components["schemas"]["EndedObjectBatch"];
        RetryForm: {
            /** @description by index, a merge patch (RFC 7396) of the item */
            patch?: {
                [key: string]: unknown;
            };
            /** @description which items, or the indexes of failed ones, of which all are taken or none; a retry takes 100,000 failed items at most, and the same again takes the next ones */
            select?: ("failed" | "retryable" | "unprocessed") | number[];
        };
        Settings: {
            batchWaitSeconds: number;
            dataRetentionDays: number | null;
            retentionPolicy: {
                [key: string]: unknown;
            } | null;
            template: {
                id: string;
                name: string;
                version: string;
            } | null;
        };
        SettingsForm: {
            batchWaitSeconds?: number;
            dataRetentionDays?: number | null;
            retentionPolicy?: components["schemas"]["PolicyForm"] | null;
            templateId?: string;
        };
        SpanForm: {
            archive_days: number;
            hot_days: number;
        };
        StateBatch: {
            /** @description Any text but "." and ".." */
            externalId: string;
            stateKey: string;
            value: unknown;
        }[];
        StateValue: unknown;
        StoredEntity: {
            /** Format: date-time */
            createdAt: string;
            data: {
                [key: string]: unknown;
            };
            entityType: string;
            /** @description Any text but "." and ".." */
            externalId: string;
            id: string;
            /** Format: date-time */
            updatedAt: string;
        };
        StoredEvents: {
            /** Format: date-time */
            createdAt: string;
            data: {
                [key: string]: unknown;
            };
            eventType: string;
            id: string;
            /** Format: date-time */
            timestamp: string;
        }[];
        StoredObject: {
            /** Format: date-time */
            created_at: string;
            /** @description Any text but "." and ".." */
            external_id: string;
            /** Format: uuid */
            object_id: string;
            /** @description Any text but "." and ".." */
            object_type: string;
            properties: {
                [key: string]: unknown;
            };
            /** Format: date-time */
            updated_at: string;
        };
        StoredState: {
            stateKey: string;
            /** Format: date-time */
            updatedAt: string;
            value: unknown;
        };
        StoredStates: components["schemas"]["StoredState"][];
        Template: {
            /** Format: date-time */
            created_at: string;
            id: string;
            name: string;
            schema: {
                entity_types: {
                    [key: string]: {
                        /** @enum {string} */
                        additional?: "store" | "warn" | "drop" | "refuse";
                        fields?: {
                            [key: string]: Record<string, never> | boolean;
                        };
                        optional: string[];
                        required: string[];
                    };
                };
                event_types: {
                    [key: string]: {
                        /** @enum {string} */
                        additional?: "store" | "warn" | "drop" | "refuse";
                        fields?: {
                            [key: string]: Record<string, never> | boolean;
                        };
                        optional: string[];
                        required: string[];
                    };
                };
                pii_fields: {
                    [key: string]: string[];
                };
                state_keys: string[];
                states?: {
                    [key: string]: Record<string, never> | boolean;
                };
            };
            version: string;
        };
        TemplateForm: {
            name: string;
            schema: components["schemas"]["TemplateSchemaForm"];
            /** @default 1.0 */
            version?: string;
        };
        Templates: components["schemas"]["Template"][];
        TemplateSchemaForm: {
            entity_types: {
                [key: string]: components["schemas"]["TypeForm"];
            };
            event_types?: {
                [key: string]: components["schemas"]["TypeForm"];
            };
            pii_fields?: {
                [key: string]: string[];
            };
            state_keys?: string[];
            states?: {
                [key: string]: unknown;
            };
        };
        Timeline: {
            /** Format: date-time */
            at: string;
            /** @description the label of an API key, `command` or `sweeper` */
            by: string | null;
            /** @description code of a failure, new label, block delivered again */
            detail: string | null;
            /** @enum {string} */
            what: "accepted" | "begun" | "delivered_again" | "paused" | "resumed" | "relabelled" | "completed" | "failed" | "cancelled";
        }[];
        TypeForm: {
            /** @enum {string} */
            additional?: "store" | "warn" | "drop" | "refuse";
            fields?: {
                [key: string]: unknown;
            };
            optional?: string[];
            required?: string[];
        };
        Upload: {
            /** @enum {string} */
            contentEncoding: "identity" | "gzip" | "zstd";
            /** @enum {string} */
            contentType: "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" | "text/csv";
            /**
             * Format: date-time
             * @description when it is gone if no part arrives until then
             */
            expiresAt: string | null;
            /** @description once it is completed */
            jobId: string | null;
            /** @enum {string} */
            kind: "entities" | "events" | "states";
            parts: components["schemas"]["UploadedPart"][];
            /** @enum {string} */
            status: "open" | "completed";
            uploadId: string;
        };
        UploadedPart: {
            /** @description as they were sent */
            bytes: number;
            /** @description sha-256=:…: of the part as it was sent, as in RFC 9530 */
            digest: string;
            items: number;
            part: number;
        };
        UpsertedObject: {
            created: boolean;
            /** @description Any text but "." and ".." */
            external_id: string;
            message: string;
            /** Format: uuid */
            object_id: string;
            /** @description Any text but "." and ".." */
            object_type: string;
            /** @constant */
            success: true;
            warnings?: components["schemas"]["Warnings"];
        };
        UpsertedObjects: {
            errors: string[];
            failed: number;
            objects: {
                created: boolean;
                /** @description Any text but "." and ".." */
                external_id: string;
                /** Format: uuid */
                object_id: string;
                /** @description Any text but "." and ".." */
                object_type: string;
            }[];
            processed: number;
            success: boolean;
            warnings?: components["schemas"]["Warnings"];
        };
        /** @description UpsertedObjects for a list; EndedObjectBatch for lines whose job ended in time */
        UpsertedOrEnded: components["schemas"]["UpsertedObjects"] | components["schemas"]["EndedObjectBatch"];
        Warnings: {
            count: number;
            first: components["schemas"]["ItemWarning"][];
        };
        Webhook: {
            /** Format: date-time */
            createdAt: string;
            description: string | null;
            /** Format: date-time */
            disabledAt: string | null;
            disabledReason: ("CLIENT" | "GONE" | "TRIES_EXHAUSTED") | null;
            enabled: boolean;
            events: ("job.completed" | "job.failed" | "job.cancelled" | "job.paused")[];
            /**
             * Format: date-time
             * @description until then the former secret signs too
             */
            formerSecretUntil: string | null;
            id: string;
            /** @description of the job whose callback it is */
            jobId: string | null;
            /** Format: date-time */
            lastDeliveredAt: string | null;
            /** Format: date-time */
            updatedAt: string;
            url: string;
        };
        WebhookChangesForm: {
            description?: string | null;
            enabled?: boolean;
            events?: ("job.completed" | "job.failed" | "job.cancelled" | "job.paused")[];
            url?: string;
        };
        Webhooks: components["schemas"]["Webhook"][];
        Workers: {
            /** @description processes that work at a job at this moment; null behind a pooler, where their connections cannot be told from others */
            busy: number | null;
            /** @description processes of the workers that were heard of in the last 15 seconds, idle or busy; 0: no worker runs; null: Redis, by which they are heard of, does not answer */
            running: number | null;
        };
        WrittenEntity: {
            /** @enum {string} */
            action: "created" | "updated" | "unchanged";
            entityType: string;
            /** @description Any text but "." and ".." */
            externalId: string;
            id: string;
            warnings?: components["schemas"]["Warnings"];
        };
        WrittenEvent: {
            id: string;
            warnings?: components["schemas"]["Warnings"];
        };
        WrittenState: {
            stateKey: string;
            value: unknown;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export interface operations {
    listKeys: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Keys */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Keys"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    createKey: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewKeyForm"];
            };
        };
        responses: {
            /** @description NewKey */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["NewKey"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    revokeKey: {
        parameters: {
            query: {
                /** @description of the key */
                id: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Key */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Key"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    changeKey: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["KeyChangesForm"];
            };
        };
        responses: {
            /** @description Key */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Key"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    listPublicJobs: {
        parameters: {
            query?: {
                /** @description only jobs that were accepted at this moment or later */
                created_after?: string;
                /** @description only jobs that were accepted before this moment */
                created_before?: string;
                /** @description as the Link header gives it; the first page has none */
                cursor?: string;
                /** @description only jobs of which an item has failed */
                has_errors?: boolean;
                /** @description only jobs with exactly this label */
                label?: string;
                limit?: number;
                /** @description only jobs that send items of this job again, by its id */
                parent?: string;
                /** @description only jobs in one of these states, with commas between */
                status?: string;
                /** @description only jobs of this type */
                type?: "batch_ingest_entities" | "batch_ingest_events" | "batch_ingest_states" | "batch_ingest_objects" | "batch_ingest_object_events" | "template_check";
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description JobList */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["JobList"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    getPublicJob: {
        parameters: {
            query?: never;
            header?: {
                /** @description tags of earlier answers: 304 if the job is as one of them says */
                "If-None-Match"?: string;
                /** @description wait=N with If-None-Match: 304 only after so many seconds, 30 at most, unless the job has changed its status or moved by a percent before */
                Prefer?: string;
            };
            path: {
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Job */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Job"];
                        /** @constant */
                        success: true;
                    };
                };
            };
            /** @description The job is as the tag says */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    relabelPublicJob: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                job_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["JobLabel"];
            };
        };
        responses: {
            /** @description Job */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Job"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    cancelPublicJob: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Job */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Job"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    commitPublicJob: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Job */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Job"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    listPublicJobErrors: {
        parameters: {
            query?: {
                /** @description only errors of this code */
                code?: "VALIDATION_FAILED" | "INVALID_JSON" | "UNKNOWN_FIELD" | "ITEM_TOO_LARGE" | "NOT_FOUND" | "TOO_LARGE" | "WRITE_FAILED" | "SECRET_UNREADABLE";
                /** @description as the Link header gives it; the first page has none */
                cursor?: string;
                /** @description only errors of items from this index on */
                from?: number;
                /** @description true: how many errors are alike, of 20000 errors a page */
                group?: boolean;
                /** @description true: each error has the item as it was sent */
                items?: boolean;
                limit?: number;
            };
            header?: never;
            path: {
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description ItemErrorsOrGroups */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["ItemErrorsOrGroups"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    downloadPublicJobErrorsAsCsv: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description ErrorRows */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/csv": {
                        data: components["schemas"]["ErrorRows"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    downloadPublicJobErrors: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description ErrorLines */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/x-ndjson": {
                        data: components["schemas"]["ErrorLines"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    getPublicJobItem: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                index: string;
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description JobItem */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["JobItem"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    pausePublicJob: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Job */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Job"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    listPublicJobResults: {
        parameters: {
            query?: {
                /** @description as the Link header gives it; the first page has none */
                cursor?: string;
                /** @description only items with this effect */
                effect?: "created" | "updated" | "unchanged" | "duplicate";
                limit?: number;
            };
            header?: never;
            path: {
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description ItemResults */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["ItemResults"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    resumePublicJob: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Job */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Job"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    retryPublicJob: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                job_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RetryForm"];
            };
        };
        responses: {
            /** @description Job */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Job"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    streamPublicJob: {
        parameters: {
            query?: never;
            header?: {
                /** @description the id of the last event that the client has seen */
                "Last-Event-ID"?: string;
            };
            path: {
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description JobEvents */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": components["schemas"]["JobEvents"];
                };
            };
            /** @description The job has ended, and the client has seen that: do not connect again */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    listPublicJobTimeline: {
        parameters: {
            query?: {
                /** @description as the Link header gives it; the first page has none */
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path: {
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Timeline */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Timeline"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    listPublicJobWarnings: {
        parameters: {
            query?: {
                /** @description as the Link header gives it; the first page has none */
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path: {
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description ItemWarnings */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["ItemWarnings"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    recordEvent: {
        parameters: {
            query?: never;
            header?: {
                /** @description handling=strict (members that an item should not have are errors) or lenient (warnings, default) */
                Prefer?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ObjectEvent"];
            };
        };
        responses: {
            /** @description RecordedEvent */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RecordedEvent"];
                };
            };
        };
    };
    recordEvents: {
        parameters: {
            query?: never;
            header?: {
                /** @description of lines: sha-256=:…: or sha-512=:…:, of the body as it is sent: as in RFC 9530 */
                "Content-Digest"?: string;
                /** @description of lines: identity, or one of gzip, zstd */
                "Content-Encoding"?: string;
                /** @description respond-async: answer 202 with a job to poll; of lines, wait=N: answer 200 if the job ends in so many seconds, at most 30; handling=strict (members that an item should not have are errors) or lenient (warnings, default): as in RFC 7240 */
                Prefer?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ObjectEventBatch"];
                "application/x-ndjson": string;
            };
        };
        responses: {
            /** @description RecordedOrEnded */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RecordedOrEnded"];
                };
            };
            /** @description AcceptedObjectBatch */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AcceptedObjectBatch"];
                };
            };
        };
    };
    getKeyHealth: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description KeyHealth */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KeyHealth"];
                };
            };
        };
    };
    getObject: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                external_id: string;
                object_type: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description StoredObject */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StoredObject"];
                };
            };
        };
    };
    upsertObjects: {
        parameters: {
            query?: never;
            header?: {
                /** @description of lines: sha-256=:…: or sha-512=:…:, of the body as it is sent: as in RFC 9530 */
                "Content-Digest"?: string;
                /** @description of lines: identity, or one of gzip, zstd */
                "Content-Encoding"?: string;
                /** @description respond-async: answer 202 with a job to poll; of lines, wait=N: answer 200 if the job ends in so many seconds, at most 30; handling=strict (members that an item should not have are errors) or lenient (warnings, default): as in RFC 7240 */
                Prefer?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ObjectBatch"];
                "application/x-ndjson": string;
            };
        };
        responses: {
            /** @description UpsertedOrEnded */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UpsertedOrEnded"];
                };
            };
            /** @description AcceptedObjectBatch */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AcceptedObjectBatch"];
                };
            };
        };
    };
    upsertObject: {
        parameters: {
            query?: never;
            header?: {
                /** @description handling=strict (members that an item should not have are errors) or lenient (warnings, default) */
                Prefer?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Object"];
            };
        };
        responses: {
            /** @description UpsertedObject */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UpsertedObject"];
                };
            };
        };
    };
    getHealth: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Health */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Health"];
                };
            };
        };
    };
    getDocument: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Document */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Document"];
                };
            };
        };
    };
    getOperatorDocument: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Document */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Document"];
                };
            };
        };
    };
    getPublicDocument: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Document */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Document"];
                };
            };
        };
    };
    listAuditLog: {
        parameters: {
            query?: {
                /** @description only entries of this action */
                action?: "tenant.created" | "tenant.changed" | "tenant.suspended" | "tenant.resumed" | "key.created" | "key.changed" | "key.rotated" | "key.revoked" | "settings.changed" | "template.stored" | "reader.added" | "reader.removed" | "webhook.created" | "webhook.changed" | "webhook.rotated" | "webhook.deleted" | "webhook.tested" | "webhook.replayed" | "job.items_read" | "person.read" | "person.exported" | "person.erased" | "master_key.rotation_begun" | "master_key.rotation_ended";
                /** @description as the Link header gives it; the first page has none */
                cursor?: string;
                limit?: number;
                /** @description only entries about objects of this kind */
                object?: "tenant" | "key" | "settings" | "template" | "reader" | "webhook" | "job" | "person" | "master_key";
                /** @description only entries about the object of this id */
                object_id?: string;
                /** @description only entries of this moment or later */
                since?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description AuditEntries */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["AuditEntries"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    writeEntities: {
        parameters: {
            query?: {
                /** @description a job that must complete before this one begins, as in job_… */
                after?: string;
                /** @description true: this one begins whatever became of that job; false: it fails unless that completed */
                afterAny?: boolean;
                /** @description true: all items are written, in one transaction, or none */
                atomic?: boolean;
                /** @description a URL that is told of the job's end, as a webhook is; the answer has its callbackSecret, this once */
                callback?: string;
                /** @description if the job has not ended after so many seconds, it fails */
                deadline?: number;
                /** @description CSV: what is between cells: one character, or `tab` */
                delimiter?: string;
                /** @description CSV: what an empty cell means: that the member is absent, null, or a text without characters */
                empty?: "absent" | "null" | "string";
                /** @description CSV: the entityType of all rows, which then have no such column */
                entityType?: string;
                /** @description true: index, effect and id of each item can be read from the job afterwards */
                keepResults?: boolean;
                /** @description your own name for the job, which it shows */
                label?: string;
                /** @description if more items fail, so does the job; looked at after each block */
                maxErrors?: number;
                /** @description what to do with `data` that is there */
                mode?: "replace" | "merge";
                /** @description true: after the tenant's earlier jobs, items in their order; false: at once, in any order */
                ordered?: boolean;
                /** @description true: items are checked and their effects predicted; nothing is written */
                validateOnly?: boolean;
            };
            header?: {
                /** @description sha-256=:…: or sha-512=:…:, of the body as it is sent: as in RFC 9530 */
                "Content-Digest"?: string;
                /** @description identity, or one of gzip, zstd */
                "Content-Encoding"?: string;
                /** @description 1 to 255 visible ASCII characters, bare or in double quotes: for 24 hours a repeat of the request under the same key has the answer of the first, with the header Idempotent-Replayed */
                "Idempotency-Key"?: string;
                /** @description wait=N (0 to 30 seconds); respond-async; handling=strict (members that an item should not have are errors) or lenient (warnings, default): as in RFC 7240 */
                Prefer?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["EntityBatch"];
                "application/x-ndjson": string;
                "text/csv": string;
            };
        };
        responses: {
            /** @description EndedBatch */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["EndedBatch"];
                        /** @constant */
                        success: true;
                    };
                };
            };
            /** @description AcceptedBatch */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["AcceptedBatch"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    writeEvents: {
        parameters: {
            query?: {
                /** @description a job that must complete before this one begins, as in job_… */
                after?: string;
                /** @description true: this one begins whatever became of that job; false: it fails unless that completed */
                afterAny?: boolean;
                /** @description true: all items are written, in one transaction, or none */
                atomic?: boolean;
                /** @description a URL that is told of the job's end, as a webhook is; the answer has its callbackSecret, this once */
                callback?: string;
                /** @description if the job has not ended after so many seconds, it fails */
                deadline?: number;
                /** @description CSV: what is between cells: one character, or `tab` */
                delimiter?: string;
                /** @description CSV: what an empty cell means: that the member is absent, null, or a text without characters */
                empty?: "absent" | "null" | "string";
                /** @description CSV: the eventType of all rows, which then have no such column */
                eventType?: string;
                /** @description true: index, effect and id of each item can be read from the job afterwards */
                keepResults?: boolean;
                /** @description your own name for the job, which it shows */
                label?: string;
                /** @description if more items fail, so does the job; looked at after each block */
                maxErrors?: number;
                /** @description true: after the tenant's earlier jobs, items in their order; false: at once, in any order */
                ordered?: boolean;
                /** @description true: items are checked and their effects predicted; nothing is written */
                validateOnly?: boolean;
            };
            header?: {
                /** @description sha-256=:…: or sha-512=:…:, of the body as it is sent: as in RFC 9530 */
                "Content-Digest"?: string;
                /** @description identity, or one of gzip, zstd */
                "Content-Encoding"?: string;
                /** @description 1 to 255 visible ASCII characters, bare or in double quotes: for 24 hours a repeat of the request under the same key has the answer of the first, with the header Idempotent-Replayed */
                "Idempotency-Key"?: string;
                /** @description wait=N (0 to 30 seconds); respond-async; handling=strict (members that an item should not have are errors) or lenient (warnings, default): as in RFC 7240 */
                Prefer?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["EventBatch"];
                "application/x-ndjson": string;
                "text/csv": string;
            };
        };
        responses: {
            /** @description EndedBatch */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["EndedBatch"];
                        /** @constant */
                        success: true;
                    };
                };
            };
            /** @description AcceptedBatch */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["AcceptedBatch"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    listJobs: {
        parameters: {
            query?: {
                /** @description only jobs that were accepted at this moment or later */
                created_after?: string;
                /** @description only jobs that were accepted before this moment */
                created_before?: string;
                /** @description as the Link header gives it; the first page has none */
                cursor?: string;
                /** @description only jobs of which an item has failed */
                has_errors?: boolean;
                /** @description only jobs with exactly this label */
                label?: string;
                limit?: number;
                /** @description only jobs that send items of this job again, by its id */
                parent?: string;
                /** @description only jobs in one of these states, with commas between */
                status?: string;
                /** @description only jobs of this type */
                type?: "batch_ingest_entities" | "batch_ingest_events" | "batch_ingest_states" | "batch_ingest_objects" | "batch_ingest_object_events" | "template_check";
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description JobList */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["JobList"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    getJob: {
        parameters: {
            query?: never;
            header?: {
                /** @description tags of earlier answers: 304 if the job is as one of them says */
                "If-None-Match"?: string;
                /** @description wait=N with If-None-Match: 304 only after so many seconds, 30 at most, unless the job has changed its status or moved by a percent before */
                Prefer?: string;
            };
            path: {
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Job */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Job"];
                        /** @constant */
                        success: true;
                    };
                };
            };
            /** @description The job is as the tag says */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    relabelJob: {
        parameters: {
            query?: never;
            header?: {
                /** @description 1 to 255 visible ASCII characters, bare or in double quotes: for 24 hours a repeat of the request under the same key has the answer of the first, with the header Idempotent-Replayed */
                "Idempotency-Key"?: string;
            };
            path: {
                job_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["JobLabel"];
            };
        };
        responses: {
            /** @description Job */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Job"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    cancelJob: {
        parameters: {
            query?: never;
            header?: {
                /** @description 1 to 255 visible ASCII characters, bare or in double quotes: for 24 hours a repeat of the request under the same key has the answer of the first, with the header Idempotent-Replayed */
                "Idempotency-Key"?: string;
            };
            path: {
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Job */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Job"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    commitJob: {
        parameters: {
            query?: never;
            header?: {
                /** @description 1 to 255 visible ASCII characters, bare or in double quotes: for 24 hours a repeat of the request under the same key has the answer of the first, with the header Idempotent-Replayed */
                "Idempotency-Key"?: string;
            };
            path: {
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Job */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Job"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    listJobErrors: {
        parameters: {
            query?: {
                /** @description only errors of this code */
                code?: "VALIDATION_FAILED" | "INVALID_JSON" | "UNKNOWN_FIELD" | "ITEM_TOO_LARGE" | "NOT_FOUND" | "TOO_LARGE" | "WRITE_FAILED" | "SECRET_UNREADABLE";
                /** @description as the Link header gives it; the first page has none */
                cursor?: string;
                /** @description only errors of items from this index on */
                from?: number;
                /** @description true: how many errors are alike, of 20000 errors a page */
                group?: boolean;
                /** @description true: each error has the item as it was sent */
                items?: boolean;
                limit?: number;
            };
            header?: never;
            path: {
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description ItemErrorsOrGroups */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["ItemErrorsOrGroups"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    downloadJobErrorsAsCsv: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description ErrorRows */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/csv": {
                        data: components["schemas"]["ErrorRows"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    downloadJobErrors: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description ErrorLines */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/x-ndjson": {
                        data: components["schemas"]["ErrorLines"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    getJobItem: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                index: string;
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description JobItem */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["JobItem"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    pauseJob: {
        parameters: {
            query?: never;
            header?: {
                /** @description 1 to 255 visible ASCII characters, bare or in double quotes: for 24 hours a repeat of the request under the same key has the answer of the first, with the header Idempotent-Replayed */
                "Idempotency-Key"?: string;
            };
            path: {
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Job */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Job"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    listJobResults: {
        parameters: {
            query?: {
                /** @description as the Link header gives it; the first page has none */
                cursor?: string;
                /** @description only items with this effect */
                effect?: "created" | "updated" | "unchanged" | "duplicate";
                limit?: number;
            };
            header?: never;
            path: {
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description ItemResults */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["ItemResults"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    resumeJob: {
        parameters: {
            query?: never;
            header?: {
                /** @description 1 to 255 visible ASCII characters, bare or in double quotes: for 24 hours a repeat of the request under the same key has the answer of the first, with the header Idempotent-Replayed */
                "Idempotency-Key"?: string;
            };
            path: {
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Job */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Job"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    retryJob: {
        parameters: {
            query?: never;
            header?: {
                /** @description 1 to 255 visible ASCII characters, bare or in double quotes: for 24 hours a repeat of the request under the same key has the answer of the first, with the header Idempotent-Replayed */
                "Idempotency-Key"?: string;
            };
            path: {
                job_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RetryForm"];
            };
        };
        responses: {
            /** @description Job */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Job"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    streamJob: {
        parameters: {
            query?: never;
            header?: {
                /** @description the id of the last event that the client has seen */
                "Last-Event-ID"?: string;
            };
            path: {
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description JobEvents */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": components["schemas"]["JobEvents"];
                };
            };
            /** @description The job has ended, and the client has seen that: do not connect again */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    listJobTimeline: {
        parameters: {
            query?: {
                /** @description as the Link header gives it; the first page has none */
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path: {
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Timeline */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Timeline"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    listJobWarnings: {
        parameters: {
            query?: {
                /** @description as the Link header gives it; the first page has none */
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path: {
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description ItemWarnings */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["ItemWarnings"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    writeStates: {
        parameters: {
            query?: {
                /** @description a job that must complete before this one begins, as in job_… */
                after?: string;
                /** @description true: this one begins whatever became of that job; false: it fails unless that completed */
                afterAny?: boolean;
                /** @description true: all items are written, in one transaction, or none */
                atomic?: boolean;
                /** @description a URL that is told of the job's end, as a webhook is; the answer has its callbackSecret, this once */
                callback?: string;
                /** @description if the job has not ended after so many seconds, it fails */
                deadline?: number;
                /** @description CSV: what is between cells: one character, or `tab` */
                delimiter?: string;
                /** @description CSV: what an empty cell means: that the member is absent, null, or a text without characters */
                empty?: "absent" | "null" | "string";
                /** @description true: index, effect and id of each item can be read from the job afterwards */
                keepResults?: boolean;
                /** @description your own name for the job, which it shows */
                label?: string;
                /** @description if more items fail, so does the job; looked at after each block */
                maxErrors?: number;
                /** @description true: after the tenant's earlier jobs, items in their order; false: at once, in any order */
                ordered?: boolean;
                /** @description CSV: the stateKey of all rows, which then have no such column */
                stateKey?: string;
                /** @description true: items are checked and their effects predicted; nothing is written */
                validateOnly?: boolean;
            };
            header?: {
                /** @description sha-256=:…: or sha-512=:…:, of the body as it is sent: as in RFC 9530 */
                "Content-Digest"?: string;
                /** @description identity, or one of gzip, zstd */
                "Content-Encoding"?: string;
                /** @description 1 to 255 visible ASCII characters, bare or in double quotes: for 24 hours a repeat of the request under the same key has the answer of the first, with the header Idempotent-Replayed */
                "Idempotency-Key"?: string;
                /** @description wait=N (0 to 30 seconds); respond-async; handling=strict (members that an item should not have are errors) or lenient (warnings, default): as in RFC 7240 */
                Prefer?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["StateBatch"];
                "application/x-ndjson": string;
                "text/csv": string;
            };
        };
        responses: {
            /** @description EndedBatch */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["EndedBatch"];
                        /** @constant */
                        success: true;
                    };
                };
            };
            /** @description AcceptedBatch */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["AcceptedBatch"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    createUpload: {
        parameters: {
            query?: never;
            header?: {
                /** @description 1 to 255 visible ASCII characters, bare or in double quotes: for 24 hours a repeat of the request under the same key has the answer of the first, with the header Idempotent-Replayed */
                "Idempotency-Key"?: string;
                /** @description handling=strict (members that an item should not have are errors) or lenient (warnings, default): as in RFC 7240 */
                Prefer?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewUpload"];
            };
        };
        responses: {
            /** @description CreatedUpload */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["CreatedUpload"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    getUpload: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                upload_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Upload */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Upload"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    deleteUpload: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                upload_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description DeletedUpload */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["DeletedUpload"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    completeUpload: {
        parameters: {
            query?: never;
            header?: {
                /** @description 1 to 255 visible ASCII characters, bare or in double quotes: for 24 hours a repeat of the request under the same key has the answer of the first, with the header Idempotent-Replayed */
                "Idempotency-Key"?: string;
                /** @description wait=N (0 to 30 seconds); respond-async: as in RFC 7240 */
                Prefer?: string;
            };
            path: {
                upload_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CompletedUploadForm"];
            };
        };
        responses: {
            /** @description EndedBatch */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["EndedBatch"];
                        /** @constant */
                        success: true;
                    };
                };
            };
            /** @description AcceptedBatch */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["AcceptedBatch"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    putUploadPart: {
        parameters: {
            query?: never;
            header?: {
                /** @description sha-256=:…: or sha-512=:…:, of the part as it is sent: as in RFC 9530 */
                "Content-Digest"?: string;
                /** @description the one that the upload says */
                "Content-Encoding"?: string;
            };
            path: {
                part: number;
                upload_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/x-ndjson": string;
                "text/csv": string;
            };
        };
        responses: {
            /** @description UploadedPart */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["UploadedPart"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    getCapabilities: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Capabilities */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Capabilities"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    upsertEntity: {
        parameters: {
            query?: {
                /** @description what to do with `data` that is there */
                mode?: "replace" | "merge";
            };
            header?: {
                /** @description 1 to 255 visible ASCII characters, bare or in double quotes: for 24 hours a repeat of the request under the same key has the answer of the first, with the header Idempotent-Replayed */
                "Idempotency-Key"?: string;
                /** @description handling=strict (members that an item should not have are errors) or lenient (warnings, default) */
                Prefer?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Entity"];
            };
        };
        responses: {
            /** @description WrittenEntity */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["WrittenEntity"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    getEntity: {
        parameters: {
            query?: {
                /** @description false: leave out the fields that the template calls personal data */
                pii?: boolean;
            };
            header?: never;
            path: {
                external_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description StoredEntity */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["StoredEntity"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    deleteEntity: {
        parameters: {
            query?: never;
            header?: {
                /** @description 1 to 255 visible ASCII characters, bare or in double quotes: for 24 hours a repeat of the request under the same key has the answer of the first, with the header Idempotent-Replayed */
                "Idempotency-Key"?: string;
            };
            path: {
                external_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description DeletedEntity */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["DeletedEntity"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    listEvents: {
        parameters: {
            query?: {
                /** @description as the Link header gives it; the first page has none */
                cursor?: string;
                /** @description only those of this type */
                eventType?: string;
                limit?: number;
            };
            header?: never;
            path: {
                external_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description StoredEvents */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["StoredEvents"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    appendEvent: {
        parameters: {
            query?: never;
            header?: {
                /** @description 1 to 255 visible ASCII characters, bare or in double quotes: for 24 hours a repeat of the request under the same key has the answer of the first, with the header Idempotent-Replayed */
                "Idempotency-Key"?: string;
                /** @description handling=strict (members that an item should not have are errors) or lenient (warnings, default) */
                Prefer?: string;
            };
            path: {
                external_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Event"];
            };
        };
        responses: {
            /** @description DuplicateEvent */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["DuplicateEvent"];
                        /** @constant */
                        success: true;
                    };
                };
            };
            /** @description WrittenEvent */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["WrittenEvent"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    listStates: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                external_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description StoredStates */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["StoredStates"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    getState: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                external_id: string;
                key: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description StoredState */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["StoredState"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    setState: {
        parameters: {
            query?: never;
            header?: {
                /** @description 1 to 255 visible ASCII characters, bare or in double quotes: for 24 hours a repeat of the request under the same key has the answer of the first, with the header Idempotent-Replayed */
                "Idempotency-Key"?: string;
            };
            path: {
                external_id: string;
                key: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["StateValue"];
            };
        };
        responses: {
            /** @description WrittenState */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["WrittenState"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    getSettings: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Settings */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Settings"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    changeSettings: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SettingsForm"];
            };
        };
        responses: {
            /** @description Settings */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Settings"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    listTemplates: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Templates */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Templates"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    storeTemplate: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                slug: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TemplateForm"];
            };
        };
        responses: {
            /** @description Template */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Template"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    checkTemplate: {
        parameters: {
            query?: never;
            header?: {
                /** @description 1 to 255 visible ASCII characters, bare or in double quotes: for 24 hours a repeat of the request under the same key has the answer of the first, with the header Idempotent-Replayed */
                "Idempotency-Key"?: string;
                /** @description wait=N (0 to 30 seconds); respond-async */
                Prefer?: string;
            };
            path: {
                slug: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CheckForm"];
            };
        };
        responses: {
            /** @description EndedBatch */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["EndedBatch"];
                        /** @constant */
                        success: true;
                    };
                };
            };
            /** @description AcceptedBatch */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["AcceptedBatch"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    getTemplateExampleCsv: {
        parameters: {
            query?: {
                /** @description of the items */
                kind?: "entities" | "events" | "states";
            };
            header?: never;
            path: {
                slug: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description ExampleCsv */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/csv": components["schemas"]["ExampleCsv"];
                };
            };
        };
    };
    getTemplateExampleLines: {
        parameters: {
            query?: {
                /** @description of the items */
                kind?: "entities" | "events" | "states";
            };
            header?: never;
            path: {
                slug: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description ExampleLines */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/x-ndjson": components["schemas"]["ExampleLines"];
                };
            };
        };
    };
    getTemplateJsonSchema: {
        parameters: {
            query?: {
                /** @description of the items */
                kind?: "entities" | "events" | "states";
            };
            header?: never;
            path: {
                slug: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description ItemSchema */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ItemSchema"];
                };
            };
        };
    };
    listWebhooks: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Webhooks */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Webhooks"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    createWebhook: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewWebhookForm"];
            };
        };
        responses: {
            /** @description NewWebhook */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["NewWebhook"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    getWebhook: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                webhook_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Webhook */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Webhook"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    deleteWebhook: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                webhook_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description DeletedWebhook */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["DeletedWebhook"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    changeWebhook: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                webhook_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["WebhookChangesForm"];
            };
        };
        responses: {
            /** @description Webhook */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Webhook"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    listDeliveries: {
        parameters: {
            query?: {
                /** @description as the Link header gives it; the first page has none */
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path: {
                webhook_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Deliveries */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Deliveries"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    replayDelivery: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                delivery_id: string;
                webhook_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Delivery */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Delivery"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    rotateWebhook: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                webhook_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description NewWebhook */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["NewWebhook"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    testWebhook: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                webhook_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Delivery */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Delivery"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    getWorkers: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Workers */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        data: components["schemas"]["Workers"];
                        /** @constant */
                        success: true;
                    };
                };
            };
        };
    };
    getReadiness: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Readiness */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Readiness"];
                };
            };
        };
    };
}
