// Something small that a page reads and reads again: its value, its failure.
export class Resource<T> {
  value = $state.raw<T | null>(null);
  error = $state.raw<unknown>(null);
  readonly #read: () => Promise<T>;
  #asked = 0;
  #taken = 0;

  constructor(read: () => Promise<T>) {
    this.#read = read;
    void this.again();
  }

  again = async (): Promise<void> => {
    const asked = ++this.#asked;
    try {
      const value = await this.#read();
      // An answer that was overtaken is older than what is shown.
      if (asked < this.#taken) return;
      this.#taken = asked;
      this.value = value;
      this.error = null;
    } catch (error) {
      if (asked > this.#taken) this.error = error;
    }
  };
}
