// Events, progress and report of a load.
import type { ItemError, JobInfo } from "./jobs.js";

const KEPT = 10_000;

/** The happenings of a load, as `stream` yields them. */
export type LoadEvent<Item = unknown> =
  /** A batch is stored by the server, as a job; `first` is the index of its first item in the load. */
  | { type: "Accepted"; jobId: string; first: number; items: number }
  /** An item was refused: `error.item` is the caller's own object, `error.index` its place in the load. */
  | { type: "ItemFailed"; error: ItemError<Item> }
  /** A job of the load has ended. */
  | { type: "JobEnded"; job: JobInfo };

/** The state of a load. */
export interface Progress {
  /** Items that the server has accepted. */
  sent: number;
  /** Items whose job has ended. */
  processed: number;
  /** Of these. */
  failed: number;
  /** Since the load began. */
  seconds: number;
}

/** The outcome of a load; the six counts of effects sum to `total`. */
export class Report<Item = any> {
  total = 0;
  created = 0;
  updated = 0;
  unchanged = 0;
  duplicate = 0;
  failed = 0;
  unprocessed = 0;
  /** Items that the server has accepted: the first so many of the source, unless `ordered` is false. */
  accepted = 0;
  /** The first 10,000 items that were refused; `failed` counts all. */
  errors: ItemError<Item>[] = [];
  /** The count of all refused items by their code. */
  codes: Record<string, number> = {};
  /** Ids of the load's jobs, in the order in which they were accepted. */
  jobs: string[] = [];
  /** Of these, jobs that failed or were cancelled. */
  unfinished: JobInfo[] = [];
  /** More items have failed than `maxErrors`, which ended the load. */
  stopped = false;
  seconds = 0;

  /** True if every item was taken. */
  get ok(): boolean {
    return !(this.failed || this.unfinished.length || this.stopped);
  }

  /** Count an event of a load. */
  add(event: LoadEvent<Item>): void {
    if (event.type === "Accepted") {
      this.accepted += event.items;
      this.jobs.push(event.jobId);
    } else if (event.type === "ItemFailed") {
      const { code } = event.error;
      this.codes[code] = (this.codes[code] ?? 0) + 1;
      if (this.errors.length < KEPT) this.errors.push(event.error);
    } else {
      const { job } = event;
      this.total += job.total;
      for (const [effect, count] of Object.entries(job.effects)) this[effect as keyof JobInfo["effects"]] += count;
      if (job.status !== "completed") this.unfinished.push(job);
    }
  }
}
