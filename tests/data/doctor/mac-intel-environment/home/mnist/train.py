import tensorflow as tf
import keras
