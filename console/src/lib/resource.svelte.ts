// Something small that a page reads and reads again: its value, its failure.
export class Resource<T> {
  value = $state.raw<T | null>(null);
  error = $state.raw<unknown>(null);
  readonly #read: () => Promise<T>;

  constructor(read: () => Promise<T>) {
    this.#read = read;
    void this.again();
  }

  again = async (): Promise<void> => {
    try {
      this.value = await this.#read();
      this.error = null;
    } catch (error) {
      this.error = error;
    }
  };
}
