"""`python -m train`: triplets to a trained model."""

from conf.command import command
from train.config import TrainConfig
from train.run import train


@command("train", TrainConfig, groups=("backbone", "experiment"))
def main(config: TrainConfig) -> float:
    return train(config)


if __name__ == "__main__":
    main()
