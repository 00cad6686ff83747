// The list a finding was opened from: where to go back to, which one comes next.
class Neighbours {
  list = '/findings';
  #ids: readonly string[] = [];

  set(list: string, ids: readonly string[]) {
    this.list = list;
    this.#ids = ids;
  }

  /** The id so many steps away; null at the ends or when it is not of the list. */
  from(id: string, step: number): string | null {
    const at = this.#ids.indexOf(id);
    return at < 0 ? null : (this.#ids[at + step] ?? null);
  }
}

export const neighbours = new Neighbours();
